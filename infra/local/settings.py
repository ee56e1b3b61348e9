"""The settings of a local cloud. cloud.py --help describes them."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from console import CloudError
from ports import free_port, is_taken
from prerequisites import ROOT

# Any origin on this machine. The port may be any: see emulator_process.py.
LOCAL_ORIGINS = ",".join(
    f"{scheme}://{host}{port}"
    for scheme in ("http", "https")
    for host in ("localhost", "127.0.0.1")
    for port in ("", ":*")
)


@dataclass(frozen=True)
class Settings:
    """The settings of one local cloud."""

    port: int
    carrier_port: int | None  # None: any free port
    state: Path
    carrier_url: str | None  # None: the carrier simulator
    media_hosts: str | None
    account_sid: str
    auth_token: str
    segments_per_second: int
    seed: str  # demo or none
    parameters: dict[str, str | int]  # of template.yaml

    @staticmethod
    def read(for_tests: bool) -> "Settings":
        """Reads the environment. A cloud for tests gets free ports and its own folder."""
        lease = _whole("LOCK_LEASE_SECONDS", 60)
        port = free_port() if for_tests else _whole("PORT", 4566)
        seed = _one_of("SEED", ["demo", "none"])
        return Settings(
            port=port,
            carrier_port=None if for_tests else _whole("CARRIER_PORT", port + 1),
            state=ROOT / (os.environ.get("STATE_DIR") or (".local/test" if for_tests else ".local")),
            carrier_url=(os.environ.get("CARRIER_URL") or "").rstrip("/") or None,
            media_hosts=os.environ.get("CARRIER_MEDIA_HOSTS") or None,
            account_sid=os.environ.get("TWILIO_ACCOUNT_SID") or f"AC{secrets.token_hex(16)}",
            auth_token=os.environ.get("TWILIO_AUTH_TOKEN") or secrets.token_hex(16),
            segments_per_second=_whole("SEGMENTS_PER_SECOND", 40),
            seed=seed,
            parameters={
                "LockLeaseSeconds": lease,
                "LockRenewSeconds": max(1, lease // 3),
                "LockIdlePromptSeconds": _whole("LOCK_IDLE_PROMPT_SECONDS", 180),
                "LockIdleReleaseSeconds": _whole("LOCK_IDLE_RELEASE_SECONDS", 60),
                "LocksPerUser": _whole("LOCKS_PER_USER", 5),
                "ReconcileGraceSeconds": _whole("RECONCILE_GRACE_SECONDS", 30),
                "RegistrationPollSeconds": _whole("REGISTRATION_POLL_SECONDS", 30),
                "RegistrationRetrySeconds": 20,
                "RetentionSweepSeconds": 60,
                "PurchaseGraceSeconds": 60,
                "NumbersPerOrganization": 5_000,  # the journeys share an organization
                "ImportSliceSeconds": 1,  # so that some thousand rows take several slices
                "ImportRetrySeconds": 120,
                "ImportUnitsPerSecond": 10_000,  # the emulator's partitions have no limit
                "KeywordReplies": os.environ.get("KEYWORD_REPLIES") or "product",
                "SegmentPrice": "0.0083 USD",
                "WebhookHostsAllowed": "127.0.0.1",
                "BrandSid": "BN00000000000000000000000000000000",
                "MailFrom": "no-reply@shared-inbox.example",
                "SendRetrySeconds": 32,  # just above the sender's timeout, so that retries are soon visible
                "TokenHours": 24,
                "MediaRetrySeconds": 30,
                "CorsOrigins": os.environ.get("CORS_ORIGINS") or LOCAL_ORIGINS,
                **_issuer(seed),
            },
        )

    def check_port(self) -> None:
        """Fails if the port is in use, before a build of several minutes."""
        if is_taken(self.port):
            raise CloudError(f"port {self.port} is in use; stop the program that uses it, or choose a port with PORT=…")


def _issuer(seed: str) -> dict[str, str]:
    """The parameters of another identity provider than a user pool of the emulator."""
    names = {"JwtIssuer": "JWT_ISSUER", "JwtAudience": "JWT_AUDIENCE", "JwtWebClientId": "JWT_CLIENT_ID"}
    values = {parameter: os.environ.get(variable) or "" for parameter, variable in names.items()}
    if not values["JwtIssuer"]:
        return {}
    if not values["JwtAudience"]:
        raise CloudError("JWT_ISSUER needs JWT_AUDIENCE")
    if seed == "demo":
        raise CloudError("the demo users cannot sign in with another issuer; set SEED=none too")
    return values


def _one_of(name: str, values: list[str]) -> str:
    value = os.environ.get(name) or values[0]
    if value not in values:
        raise CloudError(f"{name} must be {' or '.join(values)}, not {value!r}")
    return value


def _whole(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise CloudError(f"{name} must be a whole number of 1 or more, not {text!r}")
    return int(text)


