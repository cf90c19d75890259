#!/usr/bin/python3
"""Makes arc_messages.h: a message that three holders passed on, each with a seal made by
dkimpy (which needs python3-authres). Run it by hand; the keys are new each time.

    python3 tests/unit/lib/mailauth/arc_messages.py >tests/unit/lib/mailauth/arc_messages.h"""

import base64

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MESSAGE = (b"From: alice@sender.test\r\nTo: list@one.test\r\nSubject: passed  on\r\n"
           b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\nHello\r\n\r\n")
RESULTS = [b"none", b"pass", b"pass"]
NAMES = [b"one.test", b"two.test", b"three.test"]


def literal(data):
    text = "".join({"\\": "\\\\", '"': '\\"', "\r": "\\r", "\n": "\\n", "\t": "\\t"}.get(c, c) for c in data.decode())
    return "\n\t".join(f'"{part}\\n"' for part in text.split("\\n")[:-1])


def main():
    print("/* Made by arc_messages.py. */")
    message, private = MESSAGE, []
    records = {}
    for name in NAMES:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private.append(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                         serialization.NoEncryption()))
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        records[f"s._domainkey.{name.decode()}"] = f"v=DKIM1; p={base64.b64encode(der).decode()}"

    messages = []
    for number, name in enumerate(NAMES):
        message = (b"Authentication-Results: " + name + b"; arc=" + RESULTS[number] + b"; dmarc=pass header.from=sender.test\r\n"
                   + message)
        fields = dkim.arc_sign(message, b"s", name, private[number], name,
                               include_headers=[b"from", b"to", b"subject", b"date", b"message-id"])
        message = b"".join(fields) + message
        messages.append(message)
    for name in records:
        print(f'#define ARC_RECORD_{name.split(".")[2].upper()} "{records[name]}"')
    for number, text in enumerate(messages):
        print(f"static const char arc_message_{number + 1}[] =\n\t{literal(text)};")


main()
