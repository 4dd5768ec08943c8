"""Settings are declared once, where the tree has their values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from indicia.settings import Settings, load
from indicia.settings.parsers import parse_number
from indicia.settings.setting import Section, Setting, converted, declarations, section, setting
from indicia.settings.table import BY_NAME, TABLE

UNWRITTEN = {"sources", "shown"}  # what the reading says about itself


def test_every_field_of_the_tree_is_declared() -> None:
    """Nothing is in it that nobody can set."""
    assert {field.name for field in fields(Settings)} - UNWRITTEN == declarations(Settings).keys()


def test_no_two_settings_have_one_name() -> None:
    """Neither in the environment nor in TOML."""
    assert max(Counter(each.name for each in TABLE).values()) == 1
    assert BY_NAME == {each.name: each for each in TABLE}


def test_whoever_has_no_default_is_made_or_left_out() -> None:
    """The tree is whole with nothing set: what no default and no other value gives is None, or as it says."""
    tree = load(environment={})

    assert (tree.public_url, tree.tls, tree.resolvers, tree.key_supply.processes) == (None, None, (), None)
    assert (tree.root.access_key_id, tree.root.secret_access_key, tree.root.account) == (None, None, None)
    assert tree.nameservers == (f"ns1.{tree.service_domain}",)
    assert tree.master_key_file == tree.data_dir / "master.key"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A section with declarations of its own."""

    port: int = setting(parse_number, "a port", "1")
    secret: str = setting(str, "a secret", secret=True)
    late: int = setting(parse_number, "named otherwise", "2", name="other")


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A tree of three settings and one that is converted."""

    inner: Inner = section(Inner, "in_")
    chosen: frozenset[str] = converted(frozenset, list, "letters", default="")


def test_names_come_from_fields() -> None:
    """A section gives its prefix to those that have no name of their own."""
    declared = declarations(Tree)
    inner, chosen = declared["inner"], declared["chosen"]

    assert isinstance(inner, Section)
    assert {place: each.name for place, each in inner.settings.items()} == {
        "port": "in_port",
        "secret": "in_secret",
        "late": "other",
    }
    assert isinstance(chosen, Setting)
    assert (chosen.name, chosen.variable, chosen.key) == ("chosen", "INDICIA_CHOSEN", "chosen")
    assert "hush" not in repr(Inner(port=1, secret="hush", late=2))
