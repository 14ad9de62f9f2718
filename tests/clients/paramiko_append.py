"""Appends lines to a file from two sessions by turns. Own arguments: REMOTE LINES."""
import paramiko

from common import arguments

host, port, user, key, (remote, lines) = arguments()


def connect():
    transport = paramiko.Transport((host, port))
    transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))
    return transport, paramiko.SFTPClient.from_transport(transport)


sessions = [connect(), connect()]
files = [sftp.open(remote, "a") for _, sftp in sessions]
for number in range(int(lines)):
    for name, file in zip("AB", files):
        file.write(f"{name} {number}\n")
        file.flush()
for file in files:
    file.close()
print(sessions[0][1].stat(remote).st_size)
for transport, _ in sessions:
    transport.close()
