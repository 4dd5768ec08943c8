"""Which tags are acceptable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.tags import check_tags

ALLOWED = "Tags consist of letters, digits, spaces and _ . : / = + - @ only"


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


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([("", "v")], "A tag key has 1 to 128 characters; one has 0."),
        ([("k" * 129, "v")], "A tag key has 1 to 128 characters; one has 129."),
        ([("k", "v" * 257)], "A tag value has at most 256 characters; that of k has 257."),
        ([("aws:k", "v")], "Tag keys beginning with aws: are reserved: aws:k"),
        ([("AWS:k", "v")], "Tag keys beginning with aws: are reserved: AWS:k"),
        ([("a", "1"), ("a", "2")], "Tag keys must be unique: a is given more than once."),
        ([(f"k{n}", "") for n in range(51)], "A resource has at most 50 tags; 51 were given."),
        (
            [("k!", "v")],
            f"{ALLOWED}; the tag k! has another character.",
        ),
        (
            [("k", "a\nb")],
            f"{ALLOWED}; the tag k has another character.",
        ),
    ],
)
def test_bad_tags_are_refused_by_name(tags: list[tuple[str, str]], message: str) -> None:
    """Each rule has its sentence."""
    with pytest.raises(Fault) as caught:
        check_tags(tags)
    assert (caught.value.kind, caught.value.message) == (FaultKind.INVALID_PARAMETER, message)


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
