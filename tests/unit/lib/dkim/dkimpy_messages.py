#!/usr/bin/python3
"""Makes dkimpy_messages.h: messages signed by dkimpy, another's signer, with every
algorithm and canonical form. Run it by hand; the keys are new each time.

    python3 tests/unit/lib/dkim/dkimpy_messages.py >tests/unit/lib/dkim/dkimpy_messages.h"""

import base64

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

HEADER = (b"Received: from a.test\r\n\tby b.test;  Mon,\r\n 1 Jan 2024 00:00:00 +0000\r\n"
          b"From:   Alice   <alice@sender.test> \r\nTo: bob@here.test\r\n"
          b"SUBJECT: folded\r\n  and  odd\t \r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
          b"Message-ID:<1@sender.test>\r\n")
BODIES = [b"Hello  there \r\n\tindented\t\r\n\r\nend \r\n\r\n\r\n", b"", b"\r\n\r\n"]
FORMS = [(h, b) for h in (b"relaxed", b"simple") for b in (b"relaxed", b"simple")]


def literal(data):
    text = "".join({"\\": "\\\\", '"': '\\"', "\r": "\\r", "\n": "\\n", "\t": "\\t"}.get(c, c) for c in data.decode())
    return "\n\t".join(f'"{part}\\n"' for part in text.split("\\n")[:-1]) or '""'


def main():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    edkey = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                            serialization.NoEncryption())
    seed = edkey.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    edpublic = edkey.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    print("/* Made by dkimpy_messages.py. */")
    for name, value in (("RSA", public), ("RSA_PKCS1", pkcs1), ("ED25519", edpublic)):
        print(f'#define DKIMPY_{name} "{base64.b64encode(value).decode()}"')
    print(f"static const char dkimpy_header[] =\n\t{literal(HEADER)};")
    bodies = ",\n\t".join(literal(b) for b in BODIES)
    print(f"static const char *const dkimpy_bodies[] = {{\n\t{bodies}}};")
    print("static const struct {\n\tunsigned body;\n\tconst char *field;\n} dkimpy_signatures[] = {")
    for selector, private, algorithm in ((b"rsa", pem, b"rsa-sha256"), (b"ed", base64.b64encode(seed), b"ed25519-sha256")):
        for form in FORMS:
            for number, body in enumerate(BODIES):
                field = dkim.sign(HEADER + b"\r\n" + body, selector, b"sender.test", private, canonicalize=form,
                                  signature_algorithm=algorithm)
                print(f"\t{{{number},\n\t{literal(field)}}},")
    print("};")
    field = dkim.sign(HEADER + b"\r\n" + BODIES[0], b"rsa", b"sender.test", pem, canonicalize=(b"relaxed", b"simple"),
                      length=True)
    print(f"static const char dkimpy_with_length[] =\n\t{literal(field)};")


main()
