"""Carries a tree there and back with asyncssh, times kept. Own arguments: LOCAL REMOTE BACK."""
import asyncio

import asyncssh

from common import arguments

host, port, user, key, (local, remote, back) = arguments()


async def main():
    connection = asyncssh.connect(host, port, username=user, client_keys=[key], known_hosts=None, config=None)
    async with connection as ssh, ssh.start_sftp_client() as sftp:
        await sftp.put(local, remote, recurse=True, preserve=True)
        await sftp.get(remote, back, recurse=True, preserve=True)


asyncio.run(main())
