"""Which tags are acceptable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.tags import (
    BAD_CHARACTER,
    REPEATED_KEY,
    SYSTEM_TAG,
    TOO_MANY,
    TOO_MANY_TOGETHER,
    check_tags,
    merged,
)


@pytest.mark.parametrize(
    "tag",
    [
        ("k", ""),
        ("k" * 128, "v" * 256),
        ("Team", "A.b:c/d=e+f-g@h_i"),
        ("Größe", "東京 ٣"),
        ("a b", " "),
        ("laws:x", "aws:y"),
    ],
)
def test_good_tags_are_kept_as_they_are(tag: tuple[str, str]) -> None:
    """Length, letters of any script, the listed punctuation, `aws:` anywhere but at the key's beginning."""
    assert check_tags([tag]) == (tag,)


LENGTH = "failed to satisfy constraint: Member must have length"


@pytest.mark.parametrize(
    ("tags", "kind", "message"),
    [
        ([(f"k{n}", "") for n in range(51)], FaultKind.INVALID_PARAMETER, TOO_MANY),
        ([("k!", "v")], FaultKind.INVALID_PARAMETER, BAD_CHARACTER),
        ([("k", "a\nb")], FaultKind.INVALID_PARAMETER, BAD_CHARACTER),
        ([("aws:k", "v")], FaultKind.INVALID_PARAMETER, SYSTEM_TAG),
        ([("AWS:k", "v")], FaultKind.INVALID_PARAMETER, SYSTEM_TAG),
        ([("a", "1"), ("a", "2")], FaultKind.INVALID_PARAMETER, REPEATED_KEY),
        (
            [("", "v")],
            FaultKind.VALIDATION,
            f"1 validation error detected: Value at 'tags.1.member.key' {LENGTH} greater than or equal to 1",
        ),
        (
            [("k", ""), ("k" * 129, "v" * 257)],
            FaultKind.VALIDATION,
            (
                f"2 validation errors detected: Value at 'tags.2.member.value' {LENGTH} less than or equal"
                f" to 256; Value at 'tags.2.member.key' {LENGTH} less than or equal to 128"
            ),
        ),
        # What is wrong first, of several things.
        ([("aws:k!", "v" * 257)] * 51, FaultKind.INVALID_PARAMETER, TOO_MANY),
        ([("aws:k!", "v" * 257)] * 2, FaultKind.INVALID_PARAMETER, BAD_CHARACTER),
        ([("aws:k", "v" * 257)] * 2, FaultKind.INVALID_PARAMETER, SYSTEM_TAG),
    ],
)
def test_bad_tags_are_refused_in_the_vendors_words(
    tags: list[tuple[str, str]], kind: FaultKind, message: str
) -> None:
    """Each rule has its sentence, and the rules are tried in the vendor's order."""
    with pytest.raises(Fault) as caught:
        check_tags(tags)
    assert (caught.value.kind, caught.value.message) == (kind, message)


def test_new_tags_go_over_old_ones_up_to_fifty() -> None:
    """A key that is there takes the new value; fifty in all are allowed, the fifty-first is not."""
    present = {f"k{n:02}": "old" for n in range(49)}

    assert merged(present, (("k00", "new"), ("z", "1"))) == {**present, "k00": "new", "z": "1"}

    with pytest.raises(Fault) as caught:
        merged(present, (("y", ""), ("z", "")))
    assert caught.value.message == TOO_MANY_TOGETHER
    assert TOO_MANY_TOGETHER == (
        "Maximum of 50 user tags are allowed per resource, consider reducing the number of tags in the"
        " request or delete existing tags and retry"
    )


def test_fifty_tags_differing_in_case_are_fifty() -> None:
    """Keys are case-sensitive, and fifty is allowed; they come in the order of their keys."""
    tags = [(f"{letter}{n}", "") for n in range(25) for letter in "kK"]
    assert check_tags(tags) == tuple(sorted(tags))


@given(st.lists(st.tuples(st.text(max_size=140), st.text(max_size=260)), max_size=60))
def test_accepted_tags_hold_nothing_that_a_store_or_a_list_trips_over(tags: list[tuple[str, str]]) -> None:
    """Whatever is accepted has no control character and no lone surrogate, and unique keys."""
    try:
        accepted = check_tags(tags)
    except Fault:
        return
    assert len({key for key, _ in accepted}) == len(accepted) == len(tags)
    for key, value in accepted:
        (key + value).encode()
        assert not any(unicodedata.category(character)[0] == "C" for character in key + value)
