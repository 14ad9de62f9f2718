"""Arguments that every client script takes: HOST PORT USER KEYFILE, then its own."""
import hashlib
import sys


def arguments():
    host, port, user, key, *own = sys.argv[1:]
    return host, int(port), user, key, own


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
