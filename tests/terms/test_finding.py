"""Notes that know how much they matter."""

from __future__ import annotations

import json
import pickle

from frostline.terms.finding import Note, Weight, bare, behind, serious, weight_of


def test_the_heaviest_come_first_and_once() -> None:
    spoils, look = Note("b", Weight.SPOILS), Note("a")
    assert serious(["plain", look, spoils, look, Note("c", Weight.NOTE)]) == ("b", "a")
    assert [weight_of(one) for one in ("plain", look, spoils)] == [Weight.NOTE, Weight.LOOK, Weight.SPOILS]


def test_a_note_is_a_sentence_wherever_it_goes() -> None:
    note = Note("12 images (rows 3 and 4 of splits.csv) differ.", Weight.SPOILS, "12 images differ.")
    again = pickle.loads(pickle.dumps(note))
    assert (again, again.weight, again.bare) == (note, Weight.SPOILS, "12 images differ.")
    assert json.loads(json.dumps([note])) == [str(note)]
    put = behind("test: ", note)
    assert put == f"test: {note}" and weight_of(put) is Weight.SPOILS and bare(put) == "test: 12 images differ."
    assert behind("test: ", "x") == "test: x" and bare("x") == "x"
