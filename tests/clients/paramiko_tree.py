"""Carries a tree there and back with paramiko. Own arguments: LOCAL REMOTE BACK."""
import os
import stat

import paramiko

from common import arguments

host, port, user, key, (local, remote, back) = arguments()


def put(sftp, source, target):
    sftp.mkdir(target)
    for entry in os.scandir(source):
        there = f"{target}/{entry.name}"
        if entry.is_dir():
            put(sftp, entry.path, there)
        else:
            sftp.put(entry.path, there)  # compares the size afterwards


def get(sftp, source, target):
    os.mkdir(target)
    for entry in sftp.listdir_attr(source):
        there, here = f"{source}/{entry.filename}", os.path.join(target, entry.filename)
        if stat.S_ISDIR(entry.st_mode):
            get(sftp, there, here)
        else:
            sftp.get(there, here)


with paramiko.Transport((host, port)) as transport:
    transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
    with paramiko.SFTPClient.from_transport(transport) as client:
        put(client, local, remote)
        get(client, remote, back)
