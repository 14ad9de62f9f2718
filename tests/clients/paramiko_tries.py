"""Tries a wrong password, then the right one, on one connection, with each of paramiko's transports.
Own argument: PASSWORD."""
import paramiko

from common import arguments

host, port, user, _, (password,) = arguments()


def tell(transport, word):
    try:
        transport.auth_password(user, word, fallback=False)
        return "in"
    except paramiko.AuthenticationException:
        return "refused" if transport.is_active() else "ended"


for kind in paramiko.Transport, paramiko.ServiceRequestingTransport:
    with kind((host, port)) as transport:
        transport.auth_timeout = 600
        transport.start_client()
        print(kind.__name__, tell(transport, "wrong"), tell(transport, password))
