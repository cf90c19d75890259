"""Thunderbird itself: its address book over LDAP, and how it finds the servers of an address."""

import pytest

import thunderbird
from thunderbird import Thunderbird

pytestmark = pytest.mark.skipif(thunderbird.PROGRAM is None, reason=thunderbird.MISSING)
BASE = "dc=bird,dc=test"
PEOPLE = {"alice": {"display_name": "Alice Smith", "given_name": "Alice", "surname": "Smith", "phone": "+49 30 1234-56",
                    "company": "Example Ltd", "title": "Head of Sales", "city": "Berlin"},
          "jurgen": {"display_name": "Jürgen Groß", "given_name": "Jürgen", "surname": "Groß"},
          "carol": {"display_name": "Carol O'Hara", "given_name": "Carol", "surname": "O'Hara"}}
SEARCH = """
const { getModelQuery, getSearchTokens, generateQueryURI } = ChromeUtils.importESModule("resource:///modules/ABQueryUtils.sys.mjs");
const directory = MailServices.ab.directories.find(d => d.dirPrefId == args[0]);
const query = generateQueryURI(getModelQuery("mail.addr_book.quicksearchquery.format"), getSearchTokens(args[1]));
const cards = [];
const status = await new Promise(resolve => directory.search(query.replace(/^\\?/, ""), args[1], {
    onSearchFoundCard: card => cards.push(card),
    onSearchFinished: status => resolve(status),
}));
return [Components.isSuccessCode(status), cards.map(card => Object.fromEntries(["DisplayName", "PrimaryEmail", "FirstName", "LastName",
    "WorkPhone", "Company", "JobTitle", "WorkCity"].map(name => [name, card.getProperty(name, "")])))];
"""
COMPLETE = """
const search = Cc["@mozilla.org/autocomplete/search;1?name=ldap"].createInstance(Ci.nsIAutoCompleteSearch);
const result = await new Promise(resolve => search.startSearch(args[0], JSON.stringify({ type: "addr_to" }), null, {
    onSearchResult: (search, result) => result.searchResult != Ci.nsIAutoCompleteResult.RESULT_SUCCESS_ONGOING && resolve(result),
}));
return Array.from({ length: result.matchCount }, (_, i) => result.getValueAt(i));
"""
REPLICATE = """
const directory = MailServices.ab.directories.find(d => d.dirPrefId == args[0]);
const status = await new Promise((resolve, reject) => Cc["@mozilla.org/addressbook/ldap-replication-service;1"]
    .getService(Ci.nsIAbLDAPReplicationService).startReplication(directory, {
        QueryInterface: ChromeUtils.generateQI(["nsIWebProgressListener"]),
        onStateChange: (progress, request, flags, status) => flags & Ci.nsIWebProgressListener.STATE_STOP && resolve(status),
        onProgressChange() {}, onLocationChange() {}, onStatusChange() {}, onSecurityChange() {}, onContentBlockingEvent() {},
    }));
Services.io.offline = true;
const names = directory.childCards.map(card => card.primaryEmail).sort();
Services.io.offline = false;
return [Components.isSuccessCode(status), names];
"""
DISCOVER = """
const { FindConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
const found = FindConfig.parallelAutoDiscovery(args[0].split("@")[1], args[0], new AbortController().signal);
const { value: config } = await found.next();
if (!config)
    return null;
const shown = s => [s.type, s.hostname, s.port, s.socketType, s.username];
return { source: config.subSource, incoming: [config.incoming, ...config.incomingAlternatives].map(shown), outgoing: shown(config.outgoing) };
"""


@pytest.fixture(scope="module")
def domain(shared_cluster):
    if shared_cluster.redis.sismember("domains", "bird.test"):  # made before other modules' tests came between
        return "bird.test"
    for name, fields in PEOPLE.items():
        shared_cluster.add_user(f"{name}@bird.test")
        shared_cluster.tool("user", "set", f"{name}@bird.test", *[f"{k}={v}" for k, v in fields.items()])
    shared_cluster.tool("alias", "add", "sales@bird.test", "alice@bird.test")
    return "bird.test"


@pytest.fixture
def bird(tmp_path):
    started = []

    def start(prefs):
        started.append(Thunderbird(tmp_path, prefs))
        return started[0]

    yield start
    for bird in started:
        bird.stop()


def directories(cluster):
    """As docs/ldap.md says, without TLS and with it: (prefs, URLs)."""
    prefs, urls = {"ldap_2.autoComplete.useDirectory": True, "ldap_2.autoComplete.directoryServer": "ldap_2.servers.plain"}, {}
    for name, scheme in (("plain", "ldap"), ("tls", "ldaps")):
        urls[name] = f"{scheme}://127.0.0.1:{cluster.port(scheme)}/{BASE}??sub?(mail=*)"
        prefs |= {f"ldap_2.servers.{name}.{key}": value for key, value in {
            "description": name, "dirType": 0, "filename": f"{name}.sqlite", "maxHits": 100, "uri": urls[name],
            "auth.dn": "alice@bird.test", "auth.saslmech": ""}.items()}
    return prefs, urls


def found(bird, directory, text):
    succeeded, cards = bird.run(SEARCH, f"ldap_2.servers.{directory}", text)
    assert succeeded, text
    return {card["PrimaryEmail"].split("@")[0]: card for card in cards}


def test_address_book(cluster, domain, bird):
    prefs, urls = directories(cluster)
    bird = bird(prefs)
    for url in urls.values():
        bird.save_password(url.rsplit("/", 1)[0], url, "", "secret")

    for text, names in [("smith", ["alice"]), ("ali smi", ["alice"]), ("JÜRGEN", ["jurgen"]), ("gross", ["jurgen"]),
                        ("o'hara", ["carol"]), ("example ltd", ["alice"]), ("zzz", []), ("bird.test", [*PEOPLE, "sales"])]:
        assert sorted(found(bird, "plain", text)) == sorted(names), text
    assert found(bird, "plain", "alice")["alice"] == {
        "DisplayName": "Alice Smith", "PrimaryEmail": "alice@bird.test", "FirstName": "Alice", "LastName": "Smith",
        "WorkPhone": "+49 30 1234-56", "Company": "Example Ltd", "JobTitle": "Head of Sales", "WorkCity": "Berlin"}
    bird.trust("127.0.0.1", cluster.port("ldaps"))
    assert list(found(bird, "tls", "carol")) == ["carol"]

    # What is offered while people write an address.
    for text, lines in [("ali", ["Alice Smith <alice@bird.test>"]), ("jürg", ["Jürgen Groß <jurgen@bird.test>"]), ("zzz", [])]:
        assert bird.run(COMPLETE, text) == lines
    # The copy for use without a network.
    succeeded, addresses = bird.run(REPLICATE, "ldap_2.servers.plain")
    assert succeeded and addresses == sorted(f"{name}@bird.test" for name in [*PEOPLE, "sales"])

    # A wrong password is refused as such: the client forgets it, and asks people for another.
    kept = "return (await Services.logins.searchLoginsAsync({ origin: args[0] })).length"
    origin = urls["plain"].rsplit("/", 1)[0]
    assert bird.run(kept, origin) == 1
    cluster.tool("user", "passwd", "alice@bird.test", "--password", "another")
    try:
        bird.run("const d = MailServices.ab.directories.find(d => d.dirPrefId == 'ldap_2.servers.plain');"
                 "d.search('(and(DisplayName,c,x))', 'x', { onSearchFoundCard() {}, onSearchFinished() {} });")
        assert "127.0.0.1" in bird.prompt()
        bird.dismiss()
        assert bird.run(kept, origin) == 0
    finally:
        cluster.tool("user", "passwd", "alice@bird.test", "--password", "secret")


def test_discovery_of_an_account(cluster, domain, bird):
    """With nothing but the address it finds the servers. Names are found on this machine, and HTTP behind its usual ports."""
    bird = bird({"network.dns.localDomains": "autoconfig.bird.test,bird.test,autodiscover.bird.test,autoconfig.else.test,else.test",
                 "network.socket.forcePort": f"80={cluster.port('http')};443={cluster.port('https')}", "mailnews.auto_config_url": ""})
    config = bird.run(DISCOVER, "alice@bird.test")
    assert config["source"].startswith("xml-from-isp")
    incoming = {kind: (host, port) for kind, host, port, *_ in config["incoming"]}
    assert config["incoming"][0][0] == "imap"
    assert incoming["imap"] == ("mx.example.test", 993) and incoming["pop3"] == ("mx.example.test", 995)
    assert config["outgoing"][:3] == ["smtp", "mx.example.test", 465]
    cluster.settings("imap:bird.test", autodiscover_host="imap.bird.test", autodiscover_port="1993")
    assert bird.run(DISCOVER, "alice@bird.test")["incoming"][0][1:3] == ["imap.bird.test", 1993]
    assert bird.run(DISCOVER, "alice@else.test") is None  # no domain of this cluster
