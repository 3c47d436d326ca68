"""Judges a SCIM server with scim2-tester: scim_tester.py URL TOKEN

Prints one line for each check. Ends with 1 when a check found an error, or when nothing was checked at all.
"""

import sys
from collections import Counter

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: scim_tester.py URL TOKEN", file=sys.stderr)
        return 64
    url, token = sys.argv[1:]
    headers = {"Authorization": f"Bearer {token}"}
    # No proxy of the environment may come between us and a loopback address.
    with httpx2.Client(base_url=url, headers=headers, trust_env=False) as http:
        results = check_server(SyncSCIMClient(http))
    for result in results:
        of = f" {result.resource_type}" if result.resource_type else ""
        print(f"{result.status.name:8} {result.title}{of}: {result.reason}")
    counts = Counter(result.status for result in results)
    print(", ".join(f"{counts[status]} {status.name.lower()}" for status in Status))
    # A server whose discovery fails is checked for little else; then resources would go unjudged.
    judged = {result.resource_type for result in results if result.status is Status.SUCCESS}
    if not {"User", "Group"} <= judged:
        print("users or groups were not checked", file=sys.stderr)
        return 1
    return 1 if counts[Status.ERROR] or counts[Status.CRITICAL] else 0


if __name__ == "__main__":
    sys.exit(main())
