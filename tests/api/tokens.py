"""Tokens that are put into the database by hand, as the command line does."""
import requests

from daemon import new_token


def token_of(daemon, **options):
    """A token that was put into the database by hand, once the daemon has heard of it."""
    token = new_token(daemon.database, **options)
    if options.get("expires", "infinity") == "infinity":
        headers = {"Authorization": f"Bearer {token}"}
        daemon.wait(lambda: requests.get(daemon.url + "/v1/projects/nobody", headers=headers, timeout=30).status_code != 401,
                    "a token that was made by hand")
    return token
