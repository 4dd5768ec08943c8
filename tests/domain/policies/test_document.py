"""The text of a policy: what is significant in it stays."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from policies import document, statement

from indicia.domain.policies.document import without_white_space

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_only_what_is_between_tokens_goes(tree: object, ascii_only: bool) -> None:
    """However it was laid out, it becomes what the shortest writer writes."""
    shortest = json.dumps(tree, separators=(",", ":"), ensure_ascii=ascii_only)

    assert without_white_space(json.dumps(tree, indent="\t", ensure_ascii=ascii_only)) == shortest
    assert without_white_space(shortest) == shortest


def test_escapes_numbers_and_order_stay_as_they_were_written() -> None:
    """A client that compares what it wrote with what it reads finds its own tokens."""
    text = ' {"b" : "\\u0041 \\" \\\\" ,\r\n\t"a":[ 1.50 , 1e3 ] } '

    assert without_white_space(text) == '{"b":"\\u0041 \\" \\\\","a":[1.50,1e3]}'
    assert " " not in without_white_space(document(statement()))
