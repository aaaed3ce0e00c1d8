"""What may stand in a JSON file, and must not end a command with a traceback."""

import os

CONTENTS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"5",
    "a text": b'"config"',
    "an empty object": b"{}",
    "half": b'{"seed": 0, "mod',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "rather deep": b'{"seed": ' + b"[" * 500 + b"]" * 500 + b"}",
    "a long number": b'{"seed": 1' + b"0" * 5000 + b"}",
    "a large number": b'{"seed": 1' + b"0" * 400 + b"}",
    "not a number": b'{"seed": NaN}',
    "infinity": b'{"seed": -Infinity}',
    "beyond floats": b'{"seed": 1e999}',
    "a name twice": b'{"seed": 0, "seed": 1}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"seed": 0}'.encode("utf-16"),
    "Latin-1": b'{"seed": "\xe9"}',
    "a null byte": b'{"seed": 0}\0',
    "a null character": b'{"seed": "\\u0000"}',
    "half a character": b'{"seed": "\\ud800"}',
    "control characters": b'{"\\u001b[31mseed\\u009b": "\\u001b[2J"}',
    "bytes": bytes(range(256)),
}
VALUES = (None, True, "", "\x1b[31mx", -1, 0.5, 2**62, 1e308, [], [[]], ["x", None], {}, {"x": {}})


def put_folder(path):
    path.mkdir()


def put_pipe(path):
    os.mkfifo(path)


def put_large(path):
    with open(path, "wb") as file:
        file.truncate(2 << 30)


def put_loop(path):
    path.symlink_to(path)


def put_device(path):
    path.symlink_to("/dev/zero")


PLACES = (put_folder, put_pipe, put_large, put_loop, put_device)
