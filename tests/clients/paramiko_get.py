"""Fetches a file with paramiko, which asks for all blocks at once. Own arguments: REMOTE LOCAL TIMES."""
import threading

import paramiko

from common import arguments, checksum

host, port, user, key, (remote, local, times) = arguments()
transport = paramiko.Transport((host, port))
transport.connect(username=user, pkey=paramiko.Ed25519Key.from_private_key_file(key))


def fetch(number, sums):
    sftp = paramiko.SFTPClient.from_transport(transport)
    target = f"{local}.{number}"
    sftp.get(remote, target, prefetch=True)
    sums[number] = checksum(target)
    sftp.close()


sums = {}
threads = [threading.Thread(target=fetch, args=(n, sums)) for n in range(int(times))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
transport.close()
print("\n".join(sums[n] for n in range(int(times))))
