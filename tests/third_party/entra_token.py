"""Gets a token as Microsoft's own libraries do, and prints it:

    entra_token.py AUTHORITY TENANT CLIENT SECRET CA                      azure-identity, client secret
    entra_token.py AUTHORITY TENANT CLIENT --certificate PEM CA           azure-identity, RS256 assertion
    entra_token.py AUTHORITY TENANT CLIENT --msal-certificate PEM CA      msal, PS256 assertion

AUTHORITY is an https origin, CA a file with the certificate that signs it, PEM a file with a certificate and
its private key. The scope is that of Microsoft Graph, or of the
origin in the variable GRAPH_URL.
"""

import os
import sys

SCOPE = os.environ.get("GRAPH_URL", "https://graph.microsoft.com") + "/.default"


def with_azure_identity(authority: str, tenant: str, client: str, how: list[str], ca: str) -> str:
    from azure.identity import CertificateCredential, ClientSecretCredential

    options = {
        "authority": authority,
        "disable_instance_discovery": True,
        "connection_verify": ca,
    }
    if how[0] == "--certificate":
        credential = CertificateCredential(tenant, client, certificate_path=how[1], **options)
    else:
        credential = ClientSecretCredential(tenant, client, how[0], **options)
    return credential.get_token(SCOPE).token


def with_msal(authority: str, tenant: str, client: str, pem_file: str, ca: str) -> str:
    # msal's own argument for the CA does not reach all of its requests; the variable does.
    os.environ["REQUESTS_CA_BUNDLE"] = ca
    import msal

    with open(pem_file) as file:
        pem = file.read()
    app = msal.ConfidentialClientApplication(
        client,
        authority=f"{authority}/{tenant}",
        instance_discovery=False,
        # Without "thumbprint" msal signs with PS256 and names the certificate by its SHA-256.
        client_credential={"private_key": pem, "public_certificate": pem},
    )
    answer = app.acquire_token_for_client([SCOPE])
    if "access_token" not in answer:
        raise SystemExit(f"{answer.get('error')}: {answer.get('error_description')}")
    return answer["access_token"]


def main() -> int:
    if len(sys.argv) not in (6, 7):
        print(__doc__, file=sys.stderr)
        return 64
    authority, tenant, client, *how, ca = sys.argv[1:]
    # Nothing here may go through a proxy of the environment.
    os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    if how[0] == "--msal-certificate":
        print(with_msal(authority, tenant, client, how[1], ca))
    else:
        print(with_azure_identity(authority, tenant, client, how, ca))
    return 0


if __name__ == "__main__":
    sys.exit(main())
