"""Raw sockets: requests that no client library would send."""
import socket


def connect(service, timeout=30):
    return socket.create_connection(("127.0.0.1", service.daemon.port), timeout)


def read_all(connection):
    """Everything until the other side closes."""
    got = b""
    try:
        while chunk := connection.recv(65536):
            got += chunk
    except ConnectionResetError:
        pass  # it closed with our bytes unread
    return got


def exchange(service, request):
    """Sends the bytes and reads one answer: (status, rest). The connection is closed by the daemon, or by us."""
    with connect(service) as connection:
        connection.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            chunk = connection.recv(65536)
            if not chunk:
                break
            got += chunk
        return int(got.split()[1]) if got else 0, got


def is_closed(service, request):
    """Whether the daemon closes the connection after its answer."""
    with connect(service) as connection:
        connection.sendall(request)
        connection.settimeout(5)
        try:
            read_all(connection)
            return True
        except TimeoutError:
            return False
