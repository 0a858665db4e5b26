"""One epoch of training, as numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One pass over the train part and the validation after it.

    Attributes:
        epoch: counted from 1.
        train_loss: mean cross-entropy (nats) of the training batches, dropout on.
        val_loss: mean cross-entropy (nats) on the val part.
        val_accuracy: 0 to 1.
        learning_rate: of the epoch's last step, before any group's scale.
        train_seconds: wall time of the training batches.
        val_seconds: wall time of the validation.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    train_seconds: float
    val_seconds: float

    def metrics(self) -> dict[str, float]:
        """Return the numbers under their names in MLflow."""
        return {
            "train/loss": self.train_loss,
            "train/learning_rate": self.learning_rate,
            "train/seconds": self.train_seconds,
            "val/loss": self.val_loss,
            "val/accuracy": self.val_accuracy,
            "val/seconds": self.val_seconds,
        }
