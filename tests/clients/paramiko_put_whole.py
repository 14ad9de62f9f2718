"""Stores a file with paramiko's `put`, which compares sizes at its end. Own arguments: LOCAL REMOTE."""
import paramiko

from common import arguments

host, port, user, key, (local, remote) = arguments()
transport = paramiko.Transport((host, port))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
print(paramiko.SFTPClient.from_transport(transport).put(local, remote).st_size)
transport.close()
