"""Autodiscover in every form, from live settings."""

import json
import plistlib
import subprocess
import urllib.parse
import uuid
import xml.etree.ElementTree as ET

import pytest

from cluster import SETTLE, wait_for
from test_http import curl, url

OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
RESPONSE = "{http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006}"


def autoconfig(cluster, query="", host=None, path="/mail/config-v1.1.xml", scheme="http"):
    options = ["-H", f"Host: {host}"] if host else []
    return curl(*options, url(cluster, path + query, scheme))


def servers(body):
    root = ET.fromstring(body)
    provider = root.find("emailProvider")
    out = {}
    for server in list(provider):
        if server.tag.endswith("Server"):
            out[server.get("type")] = {child.tag: child.text for child in server}
    return provider, out


def request(address, schema="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"):
    return ('<?xml version="1.0" encoding="utf-8"?>'
            '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">'
            f"<Request><EMailAddress>{address}</EMailAddress>"
            f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>")


def pox(cluster, login, body, path="/autodiscover/autodiscover.xml"):
    status, headers, answer = curl("-u", login, "-H", "Content-Type: text/xml", "--data-binary", body,
                                   url(cluster, path, "https"))
    assert status == 200 and headers["content-type"] == "text/xml; charset=utf-8", (status, answer)
    return ET.fromstring(answer)


def error_code(root):
    return root.findtext(f"{RESPONSE}Response/{RESPONSE}Error/{RESPONSE}ErrorCode")


@pytest.mark.parametrize("query,host,path", [
    ("", "autoconfig.example.test", "/mail/config-v1.1.xml"),
    ("?emailaddress=nobody%40example.test", "autoconfig.example.test", "/mail/config-v1.1.xml"),
    ("?emailaddress=nobody@example.test", "127.0.0.1", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    ("", "example.test", "/.well-known/autoconfig/mail/config-v1.1.xml"),
    ("", "EXAMPLE.test:80", "/.well-known/autoconfig/mail/CONFIG-v1.1.xml"),
])
def test_autoconfig(cluster, address, query, host, path):
    status, headers, body = autoconfig(cluster, query, host, path)
    assert status == 200 and headers["content-type"] == "text/xml; charset=utf-8"
    provider, found = servers(body)
    assert provider.get("id") == "example.test" and provider.findtext("domain") == "example.test"
    assert list(found) == ["imap", "pop3", "smtp"]
    for kind, port in (("imap", "993"), ("pop3", "995"), ("smtp", "465")):
        assert found[kind] == {"hostname": "mx.example.test", "port": port, "socketType": "SSL",
                               "username": "%EMAILADDRESS%", "authentication": "password-cleartext"}


def test_autoconfig_tells_nothing_of_others(cluster, address):
    known = autoconfig(cluster, "?emailaddress=" + address, "autoconfig.example.test")
    unknown = autoconfig(cluster, "?emailaddress=nobody-at-all@example.test", "autoconfig.example.test")
    assert (known[0], known[2]) == (unknown[0], unknown[2])
    for query, host in (("", "autoconfig.other.test"), ("?emailaddress=a@other.test", "autoconfig.example.test"),
                        ("?emailaddress=nonsense", "autoconfig.example.test"), ("", "autoconfig.<x>.test"),
                        ("?emailaddress=%00", "autoconfig.other.test")):
        assert autoconfig(cluster, query, host)[0] in (400, 404)


def test_settings_are_live(cluster, address):
    cluster.settings("imap", autodiscover_host="imap.example.net", autodiscover_port="143", autodiscover_ssl="off")
    cluster.settings("pop:example.test", autodiscover_host="pop.example.net")
    cluster.settings("smtp-in", autodiscover_port="587", autodiscover_ssl="off", autodiscover_host="a<b>&.example.net")

    def told():
        found = servers(autoconfig(cluster, "", "autoconfig.example.test")[2])[1]
        return (found["imap"]["hostname"], found["imap"]["port"], found["imap"]["socketType"], found["pop3"]["hostname"],
                found["smtp"]["port"], found["smtp"]["socketType"], found["smtp"]["hostname"])
    wait_for(lambda: told() == ("imap.example.net", "143", "STARTTLS", "pop.example.net", "587", "STARTTLS",
                                "a<b>&.example.net"), timeout=SETTLE + 5, what="the settings are told")


def test_pox(cluster, address):
    cluster.tool("user", "set", address, "display_name=Jürgen <&> Müller")
    root = pox(cluster, f"{address}:secret", request(address))
    response = root.find(f"{OUTLOOK}Response")
    assert response.findtext(f"{OUTLOOK}User/{OUTLOOK}DisplayName") == "Jürgen <&> Müller"
    assert response.findtext(f"{OUTLOOK}User/{OUTLOOK}AutoDiscoverSMTPAddress") == address
    account = response.find(f"{OUTLOOK}Account")
    assert account.findtext(f"{OUTLOOK}AccountType") == "email" and account.findtext(f"{OUTLOOK}Action") == "settings"
    found = {}
    for protocol in account.findall(f"{OUTLOOK}Protocol"):
        fields = {child.tag.replace(OUTLOOK, ""): child.text for child in protocol}
        found[fields.pop("Type")] = fields
    assert list(found) == ["IMAP", "POP3", "SMTP"]  # nothing that is not served
    assert found["IMAP"] == {"Server": "mx.example.test", "Port": "993", "DomainRequired": "off", "LoginName": address,
                             "SPA": "off", "SSL": "on", "Encryption": "SSL", "AuthRequired": "on"}
    pox(cluster, f"{address}:secret", request(address.upper()), "/AutoDiscover/AutoDiscover.XML")


def test_pox_refuses(cluster, address):
    login = f"{address}:secret"
    assert error_code(pox(cluster, login, "nonsense")) == "600"
    assert error_code(pox(cluster, login, "<Autodiscover/>")) == "600"
    assert error_code(pox(cluster, login, "<!DOCTYPE a [<!ENTITY b 'c'>]>" + request(address))) == "600"
    assert error_code(pox(cluster, login, request("other@example.test"))) == "500"
    assert error_code(pox(cluster, login, request(address, "urn:none"))) == "601"
    mobile = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
    assert error_code(pox(cluster, login, request(address, mobile))) == "601"
    assert error_code(ET.fromstring(curl("-u", login, url(cluster, "/autodiscover/autodiscover.xml", "https"))[2])) == "600"
    assert curl("-d", request(address), url(cluster, "/autodiscover/autodiscover.xml", "https"))[0] == 401
    # In chunks, and with Expect.
    status, _, body = curl("-u", login, "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "--data-binary",
                           request(address), url(cluster, "/autodiscover/autodiscover.xml", "https"))
    assert status == 200 and b"<Server>mx.example.test</Server>" in body


def test_json(cluster, address):
    def ask(path, **parameters):
        query = urllib.parse.urlencode(parameters)
        status, headers, body = curl(url(cluster, f"{path}?{query}", "https"))
        assert headers["content-type"] == "application/json; charset=utf-8"
        return status, json.loads(body)
    page = "/autodiscover/autodiscover.json"
    port = cluster.port("https")
    expected = (200, {"Protocol": "AutodiscoverV1", "Url": f"https://127.0.0.1:{port}/autodiscover/autodiscover.xml"})
    assert ask(page, Email=address, Protocol="AutodiscoverV1") == expected
    assert ask(f"{page}/v1.0/nobody@example.test", Protocol="autodiscoverv1") == expected
    for code, path, parameters in (("InvalidProtocol", page, {"Email": address, "Protocol": "Ews"}),
                                   ("MandatoryParameterMissing", page, {"Email": address}),
                                   ("UserNotFound", page, {"Email": "a@other.test", "Protocol": "AutodiscoverV1"}),
                                   ("InvalidUserId", f"{page}/v1.0/none", {"Protocol": "AutodiscoverV1"})):
        status, answer = ask(path, **parameters)
        assert status == 400 and answer["ErrorCode"] == code and answer["ErrorMessage"]


def test_mta_sts_policy(cluster, address):
    def fetch(host="mta-sts.example.test", scheme="https"):
        return curl("-H", f"Host: {host}", url(cluster, "/.well-known/mta-sts.txt", scheme))
    assert fetch()[0] == 404
    cluster.settings("smtp-in:example.test", mta_sts="testing")
    wait_for(lambda: fetch()[0] == 200, what="the policy")
    status, headers, body = fetch("MTA-STS.Example.TEST")
    assert headers["content-type"].startswith("text/plain")
    assert body == b"version: STSv1\r\nmode: testing\r\nmx: mx.example.test\r\nmax_age: 604800\r\n"
    cluster.settings("smtp-in:example.test", mta_sts="enforce", mta_sts_mx="mx1.example.net *.example.org", mta_sts_max_age="1d")
    wait_for(lambda: fetch()[2] == (b"version: STSv1\r\nmode: enforce\r\nmx: mx1.example.net\r\nmx: *.example.org\r\n"
                                    b"max_age: 86400\r\n"), what="the changed policy")
    assert fetch("mta-sts.other.test")[0] == 404
    cluster.settings("smtp-in:example.test", mta_sts="none")
    wait_for(lambda: b"mode: none\r\n" in fetch()[2], what="the policy is withdrawn")


def test_mobileconfig(cluster, address, tmp_path):
    status, headers, body = curl(url(cluster, f"/mobileconfig?email={address}", "https"))
    assert status == 200 and headers["content-type"] == "application/x-apple-aspen-config"
    assert headers["content-disposition"] == 'attachment; filename="example.test.mobileconfig"'
    signed = tmp_path / "signed"
    signed.write_bytes(body)
    result = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-noverify", "-in", signed], capture_output=True)
    assert result.returncode == 0, result.stderr
    profile = plistlib.loads(result.stdout)
    assert profile["PayloadType"] == "Configuration" and profile["PayloadOrganization"] == "example.test"
    mail, = profile["PayloadContent"]
    assert mail["PayloadType"] == "com.apple.mail.managed" and mail["EmailAddress"] == address
    assert (mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"]) == ("mx.example.test", 993)
    assert (mail["OutgoingMailServerHostName"], mail["OutgoingMailServerPortNumber"]) == ("mx.example.test", 465)
    assert mail["IncomingMailServerUsername"] == address and mail["IncomingMailServerUseSSL"] is True
    ids = {profile["PayloadUUID"], mail["PayloadUUID"]}
    assert len(ids) == 2 and all(uuid.UUID(i).version == 5 for i in ids)
    again = curl(url(cluster, f"/mobileconfig?email={address}", "https"))[2]
    assert profile["PayloadUUID"].encode() in again  # it replaces itself
    assert curl(url(cluster, "/mobileconfig?email=a@other.test", "https"))[0] == 404
    assert curl("-H", "Host: example.test", url(cluster, "/mobileconfig", "https"))[0] == 400


# ---- SOAP ----
SOAP = "{http://schemas.microsoft.com/exchange/2010/Autodiscover}"
SOAP_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def soap_request(operation, subjects, settings):
    """As exchangelib and Outlook write it."""
    return f"""<?xml version='1.0' encoding='utf-8'?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsa="http://www.w3.org/2005/08/addressing"
 xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover"><s:Header>
<a:RequestedServerVersion>Exchange2013_SP1</a:RequestedServerVersion>
<wsa:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/{operation}</wsa:Action>
<wsa:To>https://mx.example.test/autodiscover/autodiscover.svc</wsa:To></s:Header><s:Body>
<a:{operation}RequestMessage><a:Request>{subjects}<a:RequestedSettings>{''.join(
    f"<a:Setting>{s}</a:Setting>" for s in settings)}</a:RequestedSettings></a:Request></a:{operation}RequestMessage>
</s:Body></s:Envelope>"""


def soap_users(*addresses):
    return "<a:Users>" + "".join(f"<a:User><a:Mailbox>{a}</a:Mailbox></a:User>" for a in addresses) + "</a:Users>"


def soap(cluster, login, body, expected=200, path="/autodiscover/autodiscover.svc"):
    status, headers, answer = curl("-u", login, "-H", "Content-Type: text/xml; charset=utf-8", "--data-binary", body,
                                   url(cluster, path, "https"))
    assert status == expected and headers["content-type"] == "text/xml; charset=utf-8", (status, answer)
    return ET.fromstring(answer)[-1][0]


def soap_user(answer):
    """Of the first answer: its code, what it says of each setting, and what it does not say."""
    response = answer.find(f".//{SOAP}UserResponse")
    values, errors = {}, {}
    for setting in response.iter(f"{SOAP}UserSetting"):
        connection = setting.find(f".//{SOAP}ProtocolConnection")
        values[setting.findtext(f"{SOAP}Name")] = setting.findtext(f"{SOAP}Value") if connection is None else \
            tuple(child.text for child in connection)
    for error in response.iter(f"{SOAP}UserSettingError"):
        errors[error.findtext(f"{SOAP}SettingName")] = error.findtext(f"{SOAP}ErrorCode")
    return response.findtext(f"{SOAP}ErrorCode"), values, errors


def test_soap_user_settings(cluster, address):
    cluster.tool("user", "set", address, "display_name=Jürgen <&> Müller")
    login = f"{address}:secret"
    answer = soap(cluster, login, soap_request("GetUserSettings", soap_users(address.upper()), [
        "UserDisplayName", "AutoDiscoverSMTPAddress", "ExternalImap4Connections", "ExternalPop3Connections",
        "ExternalSmtpConnections", "InternalImap4Connections", "ExternalEwsUrl", "EwsSupportedSchemas", "NoSuch"]))
    assert answer.tag == f"{SOAP}GetUserSettingsResponseMessage"
    assert answer.findtext(f"{SOAP}Response/{SOAP}ErrorCode") == "NoError"
    assert answer.find(f".//{SOAP}RedirectTarget").get(NIL) == "true"
    code, values, errors = soap_user(answer)
    assert code == "NoError" and values == {
        "UserDisplayName": "Jürgen <&> Müller", "AutoDiscoverSMTPAddress": address,
        "ExternalImap4Connections": ("SSL", "mx.example.test", "993"),
        "InternalImap4Connections": ("SSL", "mx.example.test", "993"),
        "ExternalPop3Connections": ("SSL", "mx.example.test", "995"),
        "ExternalSmtpConnections": ("SSL", "mx.example.test", "465")}
    # Nothing that is not served.
    assert errors == {"ExternalEwsUrl": "SettingIsNotAvailable", "EwsSupportedSchemas": "SettingIsNotAvailable",
                      "NoSuch": "InvalidSetting"}
    cluster.settings("imap:example.test", autodiscover_host="imap.example.net", autodiscover_port="143",
                     autodiscover_ssl="off")
    body = soap_request("GetUserSettings", soap_users(address), ["ExternalImap4Connections"])
    wait_for(lambda: soap_user(soap(cluster, login, body, path="/AutoDiscover/AutoDiscover.svc"))[1] ==
             {"ExternalImap4Connections": ("TLS", "imap.example.net", "143")}, SETTLE + 5)


def test_soap_tells_nothing_of_others(cluster, address):
    other = cluster.add_user("soap-other@example.test")
    answers = [soap(cluster, f"{address}:secret", soap_request("GetUserSettings", soap_users(a), ["UserDisplayName"]))
               for a in (other, "nobody@example.test", "nonsense", "a@other.test")]
    assert {soap_user(a)[0] for a in answers} == {"InvalidUser"} and not any(soap_user(a)[1] for a in answers)
    assert len({ET.tostring(a) for a in answers}) == 1
    answer = soap(cluster, f"{address}:secret",
                  soap_request("GetUserSettings", soap_users(other, address), ["AutoDiscoverSMTPAddress"]))
    assert [r.findtext(f"{SOAP}ErrorCode") for r in answer.iter(f"{SOAP}UserResponse")] == ["InvalidUser", "NoError"]


def test_soap_domain_settings(cluster, address):
    def ask(domain):
        return soap(cluster, f"{address}:secret", soap_request(
            "GetDomainSettings", f"<a:Domains><a:Domain>{domain}</a:Domain></a:Domains>", ["ExternalEwsUrl"]))
    answer = ask("EXAMPLE.test")
    assert answer.findtext(f".//{SOAP}DomainResponse/{SOAP}ErrorCode") == "NoError"
    assert answer.findtext(f".//{SOAP}DomainSettingError/{SOAP}ErrorCode") == "SettingIsNotAvailable"
    assert ask("other.test").findtext(f".//{SOAP}DomainResponse/{SOAP}ErrorCode") == "InvalidDomain"


def test_soap_by_exchangelib(cluster, address):
    """The client's own request and reader, as far as it goes without EWS."""
    import exchangelib
    from exchangelib.autodiscover.protocol import AutodiscoverProtocol
    from exchangelib.protocol import BaseProtocol, NoVerifyHTTPAdapter
    BaseProtocol.HTTP_ADAPTER_CLS = NoVerifyHTTPAdapter
    cluster.tool("user", "set", address, "display_name=Alice")
    protocol = AutodiscoverProtocol(config=exchangelib.Configuration(
        service_endpoint=url(cluster, "/autodiscover/autodiscover.svc", "https"), auth_type=exchangelib.BASIC,
        credentials=exchangelib.Credentials(address, "secret"), retry_policy=exchangelib.FailFast()))
    found = protocol.get_user_settings(user=address)
    assert found.user_settings == {"user_display_name": "Alice", "auto_discover_smtp_address": address}
    assert found.ews_url is None and not found.redirect_address and not found.redirect_url
    assert set(found.user_settings_errors) == {"user_dn", "mailbox_dn", "external_ews_url", "ews_supported_schemas"}
    assert protocol.get_user_settings(user="other@example.test").error_code == "InvalidUser"
    protocol.close()


def test_soap_refuses(cluster, address):
    login, place = f"{address}:secret", url(cluster, "/autodiscover/autodiscover.svc", "https")
    good = soap_request("GetUserSettings", soap_users(address), ["UserDisplayName"])
    assert curl("-d", good, place)[0] == 401 and curl("-u", f"{address}:wrong", "-d", good, place)[0] == 401
    assert curl("-u", login, place)[0] == 200  # clients look before they ask
    for bad in ("nonsense", good[:-20], "<!DOCTYPE a [<!ENTITY b 'c'>]>" + good,
                good.replace("GetUserSettings", "GetFederationInformation")):
        fault = soap(cluster, login, bad, 500)
        assert fault.tag.endswith("Fault") and fault.findtext("faultstring"), bad
    for subjects, settings in (("", ["UserDisplayName"]), (soap_users(address), []),
                               (soap_users(*[address] * 101), ["UserDisplayName"]),
                               (soap_users(address), ["UserDisplayName"] * 201),
                               (soap_users(*[address] * 50), ["UserDisplayName"] * 50)):
        answer = soap(cluster, login, soap_request("GetUserSettings", subjects, settings))
        assert answer.findtext(f"{SOAP}Response/{SOAP}ErrorCode") == "InvalidRequest"
    assert curl("-u", login, "--data-binary", good + " " * 70000, place)[0] == 413


# ---- Every setting in every form ----

def told_of(cluster, address):
    """What each form tells an account: {form: {service: (host, port, TLS from the start)}}."""
    domain, login = address.split("@")[1], f"{address}:secret"
    told = {form: {} for form in ("autoconfig", "pox", "soap", "mobileconfig")}
    for kind, server in servers(autoconfig(cluster, "", f"autoconfig.{domain}")[2])[1].items():
        told["autoconfig"][kind] = (server["hostname"], server["port"], server["socketType"] == "SSL")
    for protocol in pox(cluster, login, request(address)).iter(f"{OUTLOOK}Protocol"):
        fields = {child.tag.replace(OUTLOOK, ""): child.text for child in protocol}
        told["pox"][fields["Type"].lower()] = (fields["Server"], fields["Port"], fields["SSL"] == "on")
    names = {"imap": "ExternalImap4Connections", "pop3": "ExternalPop3Connections", "smtp": "ExternalSmtpConnections"}
    values = soap_user(soap(cluster, login, soap_request("GetUserSettings", soap_users(address), names.values())))[1]
    for kind, name in names.items():
        encryption, host, port = values[name]
        told["soap"][kind] = (host, port, encryption == "SSL")
    signed = curl(url(cluster, f"/mobileconfig?email={address}", "https"))[2]
    result = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-noverify"], input=signed,
                            capture_output=True, check=True)
    mail, = plistlib.loads(result.stdout)["PayloadContent"]
    for kind, prefix in (("imap", "Incoming"), ("smtp", "Outgoing")):
        # Such a profile does not tell the two ways of TLS apart; it has no POP account beside the other.
        told["mobileconfig"][kind] = (mail[f"{prefix}MailServerHostName"], str(mail[f"{prefix}MailServerPortNumber"]))
    return told


def test_every_setting_in_every_form(cluster, address):
    """Hosts, ports and TLS of all services: for all domains, then with a domain's own values."""
    cluster.tool("domain", "add", "own.test", check=False)
    own = cluster.add_user("own@own.test")
    groups = {"imap": "imap", "pop3": "pop", "smtp": "smtp-in"}

    def expected(values):
        return {form: {kind: values[kind][:2] if form == "mobileconfig" else values[kind] for kind in groups
                       if form != "mobileconfig" or kind != "pop3"}
                for form in ("autoconfig", "pox", "soap", "mobileconfig")}
    for_all = {kind: (f"{kind}.all.test", str(4000 + i), i % 2 == 0) for i, kind in enumerate(groups)}
    for_own = {kind: (f"{kind}.own.test", str(5000 + i), i % 2 == 1) for i, kind in enumerate(groups)}
    for values, suffix in ((for_all, ""), (for_own, ":own.test")):
        for kind, (host, port, tls) in values.items():
            cluster.settings(groups[kind] + suffix, autodiscover_host=host, autodiscover_port=port,
                             autodiscover_ssl="on" if tls else "off")
    wait_for(lambda: told_of(cluster, own) == expected(for_own), SETTLE + 5, what="the domain's own values")
    assert told_of(cluster, address) == expected(for_all)
    # One field of its own, the others are everybody's.
    cluster.unset("imap:own.test", "autodiscover_port", "autodiscover_ssl")
    mixed = {**for_own, "imap": ("imap.own.test", *for_all["imap"][1:])}
    wait_for(lambda: told_of(cluster, own) == expected(mixed), SETTLE + 5, what="both together")
