"""What comes when the sender is broken or means harm: bytes that some reader chokes on."""

from __future__ import annotations

import gzip

_LONG = "9" * 5_000

#: No reader of ours may take these for an object that says something.
POISON: dict[str, bytes] = {
    "invalid UTF-8": b'{"amount": "\xff\xfe"}',
    "a cut UTF-8 sign": b'{"amount": "\xe2\x82',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "a NUL": b'{"amount": "1\x00"}',
    "nothing but NUL": b"\x00" * 64,
    "nested lists": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "nesting in text and out": b'{"a":' * 20 + b"1" + b"}" * 20,
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": -Infinity}',
    "5,000 digits": b'{"amount": %s}' % _LONG.encode(),
    "5,000 digits after the point": b'{"amount": 1.%s}' % _LONG.encode(),
    "a huge exponent": b'{"amount": 1e999999999}',
    "a tiny exponent": b'{"amount": 1e-999999999}',
    "a byte order mark": b'\xef\xbb\xbf{"amount": "150"}',
    "a list": b"[1, 2, 3]",
    "an empty list": b"[]",
    "text": b'"amount"',
    "a number": b"7",
    "null": b"null",
    "spaces": b" \r\n\t ",
    "half an object": b'{"amount": 150',
    "two objects": b'{"amount": 1}{"amount": 2}',
    "a key twice": b'{"amount": 1, "amount": 150}',
    "half a surrogate pair": b'{"amount": "\\ud83d"}',
    "the wrong half": b'{"amount": "\\udc00\\ud83d"}',
    "single quotes": b"{'amount': 1}",
    "a comment": b'{"amount": 1 /* one */}',
    "a form": b"amount=150&phone_number=0712345678",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "HTML": b"<html><script>alert(1)</script></html>",
    "gzip": gzip.compress(b'{"amount": "150"}'),
    "an unterminated string": b'{"amount": "' + b'\\"' * 2_000,
    "65,000 quotes": b'"' * 65_000,
}
#: Words that look like digits, or turn around what is read.
LOOKALIKES = (
    "\uff11\uff15\uff10",  # full-width 150
    "\u0661\u0665\u0660",  # Arabic 150
    "\u0967\u096b\u0966",  # Devanagari 150
    "\u202e051",  # turned around
    "1\u200b50",  # with nothing in between
    "1\u00a050",
    "150\u0000",
    "150\n",
    "\ufeff150",
    "1_50",
    "0x96",
    "1e2",
    "+150",
    "-150",
    "150.00",
    "150,00",
    "1,500",
    "015",
    "0",
    "",
    "9999999",
    "\u00b9\u2075\u2070",  # superscript
    "\u2460",  # in a circle
)
