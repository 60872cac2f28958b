"""Sources that frostline trained know which images they have seen."""

from __future__ import annotations

from collections.abc import Set

from frostline.data import row_of
from frostline.errors import DataError
from frostline.terms.data import Dataset, SplitPlan
from frostline.terms.finding import Note, Weight
from frostline.terms.quantities import plural


def seen_before(backbone: str, trained_on: Set[str], dataset: Dataset, plan: SplitPlan) -> tuple[str, ...]:
    """A sentence where images of the search are among those that `backbone` was trained on.

    Args:
        trained_on: digests of files, as `Sample.digest`: equal bytes are found, the same picture encoded again is not.

    Raises:
        DataError: images of the sealed test set are among them: no score on it would mean anything.
    """
    known = {index for index, sample in enumerate(dataset.samples) if sample.digest and sample.digest in trained_on}
    sealed = sorted(known & set(plan.sealed))
    if sealed:
        rows = ", ".join(str(row_of(index)) for index in sealed[:10]) + (", ..." if len(sealed) > 10 else "")
        raise DataError(
            f"backbone {backbone} was trained on {plural(len(sealed), 'image')} of the sealed test set (of {len(plan.sealed):,};"
            f" counted as rows of splits.csv: {rows}): a score on them would say nothing about new images. Train the source on"
            " other images, or leave these out of the test set."
        )
    if not known:
        return ()
    said = (
        f"Backbone {backbone} was trained on {plural(len(known), 'image')} of these: cross-validated scores on them flatter it,"
        " and what they say about pre-training does not hold for images that it has not seen."
    )
    return (Note(said, Weight.SPOILS),)
