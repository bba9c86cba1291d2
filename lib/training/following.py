"""What follows from a Dice that is measured after every epoch: the best epoch, and halved learning rates."""

from collections.abc import Sequence


def best_epoch(values: Sequence[float]) -> int:
    """Number, from 0, of the first epoch with the largest value."""
    return max(range(len(values)), key=lambda epoch: (values[epoch], -epoch))


def halvings(values: Sequence[float], form: str, patience: int) -> int:
    """How often the learning rate has been halved after the epochs that measured ``values``.

    ``paper``: whenever ``patience`` epochs have gone by without a better value, counted anew after each halving
    (Kervadec et al., MIDL 2019). ``released``: after each epoch i, from 0, that divides by the best epoch's number plus
    ``patience``, as the code does: always after the first, and again only where i meets a multiple.
    """
    rule = {"paper": _stagnant, "released": _divisible}[form]
    return rule(values, patience)


def _stagnant(values: Sequence[float], patience: int) -> int:
    count, best, waited = 0, float("-inf"), 0
    for value in values:
        waited = 0 if value > best else waited + 1
        best = max(best, value)
        if waited == patience:
            count, waited = count + 1, 0
    return count


def _divisible(values: Sequence[float], patience: int) -> int:
    bests = (best_epoch(values[: epoch + 1]) for epoch in range(len(values)))
    return sum(epoch % (best + patience) == 0 for epoch, best in enumerate(bests))
