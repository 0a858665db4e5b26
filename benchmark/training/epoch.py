"""One epoch of training, as numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One pass over the train part and the validation after it; losses are mean cross-entropy in nats."""

    epoch: int  # counted from 1
    train_loss: float  # with dropout
    val_loss: float
    val_accuracy: float  # 0 to 1
    learning_rate: float  # of the last step, before a group's scale
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
