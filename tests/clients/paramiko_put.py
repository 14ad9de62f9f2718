"""Stores a file with paramiko, writes pipelined. Own arguments: LOCAL REMOTE."""
import paramiko

from common import arguments

host, port, user, key, (local, remote) = arguments()
transport = paramiko.Transport((host, port))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
sftp = paramiko.SFTPClient.from_transport(transport)
with open(local, "rb") as source, sftp.open(remote, "wb") as target:
    target.set_pipelined(True)
    while piece := source.read(1 << 20):
        target.write(piece)
print(sftp.stat(remote).st_size)
transport.close()
