"""Asks for digests of an open file with paramiko. Own arguments: REMOTE."""
import paramiko

from common import arguments

host, port, user, key, (remote,) = arguments()
transport = paramiko.Transport((host, port))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
sftp = paramiko.SFTPClient.from_transport(transport)
with sftp.open(remote) as file:
    print(file.check("sha256").hex())
    print(file.check("nonsense,sha256", 0, 1000, 500).hex())
transport.close()
