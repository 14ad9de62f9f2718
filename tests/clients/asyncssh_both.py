"""Stores files and fetches them again, all at once on one connection, 128 requests in flight each.
Own arguments: LOCAL TIMES."""
import asyncio

import asyncssh

from common import arguments, checksum

host, port, user, key, (local, times) = arguments()


async def there_and_back(sftp, number):
    options = {"max_requests": 128}
    await sftp.put(local, f"/there.{number}", **options)
    await sftp.get(f"/there.{number}", f"{local}.{number}", **options)
    return checksum(f"{local}.{number}")


async def main():
    connection = asyncssh.connect(host, port, username=user, client_keys=[key], known_hosts=None, config=None)
    async with connection as ssh, ssh.start_sftp_client() as sftp:
        sums = await asyncio.gather(*(there_and_back(sftp, n) for n in range(int(times))))
        print("\n".join(sums))


asyncio.run(main())
