"""The learning rate: what precedes the cooldown is the same for every length."""

import pytest

from frostline.terms.schedule import WARM_STEPS, common_epochs, cooldown_epochs, rate_share


@pytest.mark.parametrize(("shorter", "longer"), [(1, 3), (2, 6), (3, 9), (10, 11), (20, 40), (40, 80)])
@pytest.mark.parametrize("per_epoch", [1, 2, 7, 300])
def test_a_longer_trial_has_all_common_epochs_of_a_shorter_one(shorter: int, longer: int, per_epoch: int) -> None:
    shared = common_epochs(shorter) * per_epoch
    assert [rate_share(step, per_epoch, shorter) for step in range(shared)] == [
        rate_share(step, per_epoch, longer) for step in range(shared)
    ]
    assert common_epochs(shorter) <= common_epochs(longer)


@pytest.mark.parametrize("epochs", [1, 2, 3, 10, 80])
@pytest.mark.parametrize("per_epoch", [1, 5, 400])
def test_the_rate_climbs_stays_and_falls_to_nearly_nothing(epochs: int, per_epoch: int) -> None:
    shares = [rate_share(step, per_epoch, epochs) for step in range(epochs * per_epoch)]
    top = shares.index(max(shares))
    assert all(0 < share <= 1 for share in shares) and max(shares) == 1
    assert shares[: top + 1] == sorted(shares[: top + 1]) and shares[top:] == sorted(shares[top:], reverse=True)
    assert top <= min(WARM_STEPS, per_epoch)
    assert len(shares) < 30 or shares[-1] < 0.2


def test_the_cooldown_takes_half_of_the_epochs_and_at_least_one() -> None:
    assert [cooldown_epochs(epochs) for epochs in (1, 2, 3, 9, 20)] == [1, 1, 2, 4, 10]
    assert common_epochs(1) == 0
