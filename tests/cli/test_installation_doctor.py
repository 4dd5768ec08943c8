"""`indicia doctor` without a name: the installation as it is, and every way in which it is not whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invocation import Run
from nameserver import NameServer, Trick
from serving import Running, serve, started

from indicia.vault import keyring

DOMAIN = "mail.example.org"
ZONE = f"dkim.{DOMAIN}"
NS1, NS2 = f"ns1.{DOMAIN}", f"ns2.{DOMAIN}"
FEEDBACK = f"feedback-smtp.us-east-1.{DOMAIN}"


@pytest.fixture(scope="module")
def world() -> Iterator[NameServer]:
    """A name server that is everybody's resolver, and the authority of the zone above."""
    with NameServer() as server:
        yield server


@pytest.fixture(scope="module")
def house(world: NameServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose key zone answers at two addresses, on the port on which name servers are asked here."""
    listen = f"127.0.0.2:{world.port},127.0.0.3:{world.port}"
    with serve(tmp_path_factory.mktemp("serve"), **settings(world), INDICIA_LISTEN_DNS=listen) as running:
        assert running.ready
        yield running


def settings(world: NameServer) -> dict[str, str]:
    """The settings of the installation, but for its data dir."""
    return {
        "INDICIA_SERVICE_DOMAIN": DOMAIN,
        "INDICIA_NAMESERVERS": f"{NS1},{NS2}",
        "INDICIA_RESOLVERS": f"local=127.0.0.1:{world.port}",
        "INDICIA_AUTHORITY_PORT": str(world.port),
    }


@pytest.fixture
def published(world: NameServer) -> NameServer:
    """Everything that the service domain must publish is published."""
    world.behave()
    world.secure = True
    world.data.remove(ZONE)
    world.data.remove(FEEDBACK)
    world.zone("example.org")
    world.put("ns1.example.org", "A", "127.0.0.1")
    world.put(ZONE, "NS", [NS1, NS2])
    world.put(NS1, "A", "127.0.0.2")
    world.put(NS2, "A", "127.0.0.3")
    world.put(FEEDBACK, "A", "192.0.2.25")
    world.put(DOMAIN, "TXT", "v=spf1 ip4:192.0.2.26 -all")
    return world


@pytest.fixture
def here(house: Running, published: NameServer, monkeypatch: pytest.MonkeyPatch, indicia: Run) -> Run:
    """Run a command on the machine of the service, with its settings."""
    monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
    for name, value in settings(published).items():
        monkeypatch.setenv(name, value)
    return indicia


def test_the_folder_can_be_named(
    house: Running, published: NameServer, monkeypatch: pytest.MonkeyPatch, indicia: Run, tmp_path: Path
) -> None:
    """`--data-dir`, as of every command that works on the installation; before the environment."""
    for name, value in settings(published).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INDICIA_DATA_DIR", str(tmp_path / "nowhere"))
    done = indicia("doctor", "--json", "--data-dir", str(house.data_dir))
    nowhere = indicia("doctor", "--data-dir", str(tmp_path / "elsewhere"))

    assert (done.status, done.json["service_domain"]) == (0, DOMAIN)
    assert nowhere.status == 2
    assert f"there is no installation in {tmp_path / 'elsewhere'}" in nowhere.err


def checks(here: Run, *, status: int) -> dict[str, Any]:
    """The checks by name, of a doctor that ends so."""
    done = here("doctor", "--json")
    assert (done.status, done.err) == (status, "")
    document = done.json
    assert document["sound"] is (status == 0)
    return {check["name"]: check for check in document["checks"]}


def test_a_whole_installation_is_sound(here: Run) -> None:
    """Every part was looked at, each server over UDP and TCP, and nothing is wrong."""
    found = checks(here, status=0)
    states = {name: check["state"] for name, check in found.items() if name != "clock"}

    assert states == dict.fromkeys(
        [
            *("settings", "database", "schema", "disk", "master key", "service", "roles"),
            *("resolvers local", "delegation"),
            *("glue", f"server {NS1} 127.0.0.2 UDP", f"server {NS1} 127.0.0.2 TCP"),
            *(f"server {NS2} 127.0.0.3 UDP", f"server {NS2} 127.0.0.3 TCP"),
            *(f"mail from {FEEDBACK}", f"spf {DOMAIN}"),
        ],
        "ok",
    )
    assert "with that of the service" in found["clock"]["seen"]
    assert found["clock"]["state"] in ("ok", "warn")  # what the kernel of whoever runs the tests says


def test_the_table_says_what_to_publish(here: Run) -> None:
    """One line a check, and the records in the form of a zone file, those that are known in full."""
    done = here("doctor")

    assert done.status == 0
    assert f"ok       server {NS2} 127.0.0.3 TCP" in done.out
    told = done.out[done.out.index(f"What {DOMAIN} must publish:") :].splitlines()
    assert told[2:] == [
        f"{ZONE}. IN NS {NS1}.",
        f"{ZONE}. IN NS {NS2}.",
        f"{NS1}. IN A 127.0.0.2",
        f"{NS2}. IN A 127.0.0.3",
        f"{FEEDBACK}. IN A 192.0.2.25",
        f"; {DOMAIN}. IN TXT v=spf1, then ip4: or ip6: of every machine that mail leaves from, then -all",
        "",
        told[-1],
    ]
    assert told[-1].startswith("The installation is sound.")


@pytest.mark.parametrize(
    ("names", "state", "seen"),
    [
        ([], "fail", f"example.org does not delegate {ZONE}: it has no NS records"),
        ([NS1, NS2, "ns.example.net"], "fail", "INDICIA_NAMESERVERS lacks ns.example.net"),
        ([NS1], "warn", f"{NS2} is asked by nobody"),
    ],
)
def test_a_broken_delegation(
    here: Run, published: NameServer, names: list[str], state: str, seen: str
) -> None:
    """No delegation, one to a stranger, and one that forgets a server."""
    published.remove(ZONE)
    if names:
        published.put(ZONE, "NS", names)

    check = checks(here, status=0 if state == "warn" else 1)["delegation"]
    assert check["state"] == state
    assert seen in check["seen"]
    assert f"Publish in example.org: {ZONE} NS {NS1}, {NS2}." in check["fix"]


def test_a_parent_that_cannot_be_asked_is_unknown(here: Run, published: NameServer) -> None:
    """Whether the zone is delegated is not known, and that is not called well."""
    published.misbehave(Trick.REFUSED, ZONE, "NS", when=lambda asked: not asked.recursion)

    check = checks(here, status=1)["delegation"]
    assert (check["state"], "REFUSED" in check["seen"]) == ("unknown", True)


def test_a_dead_server(here: Run, published: NameServer) -> None:
    """A name that leads to an address where nothing listens fails over both transports."""
    published.put(NS2, "A", "127.0.0.4")
    found = checks(here, status=1)

    for transport in ("UDP", "TCP"):
        check = found[f"server {NS2} 127.0.0.4 {transport}"]
        assert check["state"] == "fail"
        assert f"open its port for {transport}" in check["fix"]
    assert found[f"server {NS1} 127.0.0.2 UDP"]["state"] == "ok"


@pytest.mark.parametrize(
    ("address", "trick", "transport", "seen"),
    [
        ("127.0.0.5", Trick.TCP_CLOSED, "tcp", "no answer over TCP: closed without an answer"),
        ("127.0.0.6", Trick.SILENT, "udp", "no answer over UDP: silence for 2 s"),
        ("127.0.0.7", Trick.REFUSED, "udp", f"it answers REFUSED: it does not serve {ZONE}"),
        ("127.0.0.8", Trick.NOT_AUTHORITATIVE, "udp", f"it answers, and not as an authority for {ZONE}"),
    ],
)
def test_a_server_that_is_not_as_it_should_be(
    here: Run, published: NameServer, address: str, trick: Trick, transport: str, seen: str
) -> None:
    """Each transport is tried by itself: TCP closed, UDP lost, another's server, a resolver."""
    with NameServer(host=address, port=published.port) as other:
        other.zone(ZONE)
        other.put(ZONE, "SOA", f"{NS1}. hostmaster.{DOMAIN}. 1 2 3 4 5")
        other.put(ZONE, "NS", [NS1, NS2])
        other.misbehave(trick, when=lambda asked: asked.transport == transport)
        published.put(NS2, "A", address)
        found = checks(here, status=1)

    wrong = found.pop(f"server {NS2} {address} {transport.upper()}")
    assert (wrong["state"], wrong["seen"]) == ("fail", seen)
    assert wrong["fix"]
    assert {check["state"] for name, check in found.items() if name.startswith("server")} == {"ok"}


def test_a_server_with_other_settings(here: Run, published: NameServer) -> None:
    """A server whose SOA and NS records are not those of this installation is told by both."""
    with NameServer(host="127.0.0.9", port=published.port) as other:
        other.zone(ZONE)
        published.put(NS2, "A", "127.0.0.9")
        check = checks(here, status=1)[f"server {NS2} 127.0.0.9 UDP"]

    assert check["state"] == "fail"
    assert f"its SOA names ns1.{ZONE} and its NS records ns1.{ZONE}" in check["seen"]


def test_glue(here: Run, published: NameServer) -> None:
    """A name server without an address is found by nobody."""
    published.remove(NS2)

    check = checks(here, status=1)["glue"]
    assert (check["state"], check["seen"]) == ("fail", f"{NS2} has no address in the DNS")


@pytest.mark.parametrize(
    ("rtype", "value", "seen"),
    [
        (None, "", "it has no address"),
        ("CNAME", "elsewhere.example.net", "it is an alias of elsewhere.example.net"),
    ],
)
def test_the_host_of_mail_from(
    here: Run, published: NameServer, rtype: str | None, value: str, seen: str
) -> None:
    """Where the MX records of customers point there must be a machine, and no alias."""
    published.remove(FEEDBACK)
    if rtype:
        published.put(FEEDBACK, rtype, value)
        published.put(value, "A", "192.0.2.1")

    check = checks(here, status=1)[f"mail from {FEEDBACK}"]
    assert (check["state"], check["seen"].startswith(seen)) == ("fail", True)


@pytest.mark.parametrize(
    ("texts", "state", "seen"),
    [
        ([], "fail", "has no SPF record"),
        (["v=spf1 -all", "v=spf1 ~all"], "fail", "has 2 SPF records"),
        (["v=spf1 nonsense -all"], "fail", "it cannot be read"),
        (["v=spf1 +all"], "fail", "every machine in the world"),
        (["v=spf1 " + " ".join(f"a:h{n}.example.org" for n in range(10)) + " -all"], "fail", "10 look-ups"),
        (["v=spf1 " + " ".join(f"a:h{n}.example.org" for n in range(6)) + " -all"], "warn", "6 look-ups"),
    ],
)
def test_the_spf_record_that_customers_include(
    here: Run, published: NameServer, texts: list[str], state: str, seen: str
) -> None:
    """It must be one, readable, closed, and leave customers look-ups of their own."""
    published.remove(DOMAIN, "TXT")
    if texts:
        published.put(DOMAIN, "TXT", texts)

    check = checks(here, status=1 if state == "fail" else 0)[f"spf {DOMAIN}"]
    assert (check["state"], seen in check["seen"]) == (state, True)


def test_a_resolver_that_fails(here: Run, published: NameServer) -> None:
    """The control question tells: what then is unknown of the zone is not called wrong."""
    published.misbehave(Trick.SERVFAIL, when=lambda asked: asked.recursion)
    found = checks(here, status=1)

    assert found["resolvers local"]["state"] == "fail"
    assert found["resolvers local"]["seen"].startswith("servfail from 127.0.0.1:")
    assert {found["delegation"]["state"], found[f"mail from {FEEDBACK}"]["state"]} == {"unknown"}


def test_a_resolver_that_lies(here: Run, published: NameServer) -> None:
    """It answers, and has something for a name that nobody has: that is told, and which name it was."""
    published.misbehave(Trick.ANYTHING, rtype="A", when=lambda asked: "." not in asked.name)
    check = checks(here, status=1)["resolvers local"]

    assert check["state"] == "fail"
    assert "it answers for a name that nobody has (" in check["seen"]
    assert check["seen"].endswith(" A: 192.0.2.80)")


def test_a_resolver_that_does_not_validate(here: Run, published: NameServer) -> None:
    """It answers, and forged answers would be believed: a warning."""
    published.secure = False

    check = checks(here, status=0)["resolvers local"]
    assert (check["state"], "without DNSSEC validation" in check["seen"]) == ("warn", True)


def test_a_master_key_of_another_database(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both fingerprints are named; a file that is not there is told as such, with the one it must have."""
    ring = tmp_path / "other.key"
    keyring.create(ring)
    monkeypatch.setenv("INDICIA_MASTER_KEY_FILE", str(ring))
    other = checks(here, status=1)["master key"]
    monkeypatch.setenv("INDICIA_MASTER_KEY_FILE", str(tmp_path / "nowhere.key"))
    none = checks(here, status=1)["master key"]

    assert (other["state"], none["state"]) == ("fail", "fail")
    assert "The database was encrypted under the master key" in other["seen"]
    assert "there is no keyring" in none["seen"]


def test_a_service_that_does_not_run(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is not there yet and a service that was never started are told, and nothing is made."""
    data = tmp_path / "fresh"
    data.mkdir()
    monkeypatch.setenv("INDICIA_DATA_DIR", str(data))
    found = checks(here, status=1)

    assert (found["schema"]["state"], found["schema"]["seen"]) == ("fail", "there is none yet")
    assert (found["service"]["state"], found["service"]["seen"]) == ("warn", "none runs on this data dir")
    assert list(data.iterdir()) == []


def test_a_domain_that_no_dns_has(here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the service domain of the defaults nothing is looked for in the DNS, and that is said."""
    monkeypatch.setenv("INDICIA_SERVICE_DOMAIN", "indicia.test")
    monkeypatch.delenv("INDICIA_NAMESERVERS")
    found = checks(here, status=1)

    assert found["service domain"]["state"] == "fail"
    assert "delegation" not in found


def test_what_cannot_be_asked_is_a_mistake(indicia: Run) -> None:
    """No installation, and a service elsewhere: status 2, and what to do."""
    nowhere = indicia("doctor")
    elsewhere = indicia("doctor", "--endpoint-url", "http://127.0.0.1:1")

    assert (nowhere.status, elsewhere.status) == (2, 2)
    assert "there is no installation in " in nowhere.err
    assert "leave out --endpoint-url" in elsewhere.err


def test_a_sandbox_is_sound(indicia: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its playground answers, and nothing has to be published for it."""
    with started(tmp_path, "sandbox") as running:
        assert running.ready
        monkeypatch.setenv("INDICIA_DATA_DIR", str(running.data_dir))
        document = indicia("doctor", "--json").json

    assert document["sound"]
    assert document["records"] == []
    told = {check["name"]: check["seen"] for check in document["checks"]}
    assert "answers within" in told["resolvers playground"]
    assert told["service domain"] == "indicia.test: a sandbox, whose DNS needs nothing published"
