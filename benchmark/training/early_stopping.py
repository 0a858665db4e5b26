"""Which epoch is best so far, and when to stop waiting for a better one."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class EarlyStopping:
    """Monitors `val/loss`; lower is better, and of equal epochs the first.

    Attributes:
        patience: epochs without a lower loss before training stops; None: never early.
        best_epoch: epoch of the lowest loss, 0 before the first.
        best_loss: that loss.
        epochs_since_best: epochs waited since.
    """

    patience: int | None
    best_epoch: int = 0
    best_loss: float = math.inf
    epochs_since_best: int = 0

    def update(self, epoch: int, val_loss: float) -> bool:
        """Take note of an epoch; True where it is the best so far."""
        if val_loss < self.best_loss:
            self.best_epoch, self.best_loss, self.epochs_since_best = epoch, val_loss, 0
            return True
        self.epochs_since_best += 1
        return False

    @property
    def should_stop(self) -> bool:
        """Patience is at its end."""
        return self.patience is not None and self.epochs_since_best >= self.patience
