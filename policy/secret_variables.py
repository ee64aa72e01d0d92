"""Detects secrets in plain variables by their names (English or French) and by the format or entropy of their values.

Token formats are those of detect-secrets, plus some that it lacks. `scripts/bench secrets` prints the number of
synthetic secrets detected and the number of false positives.
"""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from math import log2
from typing import Any

# --- names --------------------------------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_SECRET_WORDS = _words("PASS PSWD PW PWD SALT PEPPER MDP CLE CLES CLEF CLEFS IDENTIFIANTS")
_SECRET_PART = re.compile(
    r"SECRET(?!AR)|TOKEN(?!I[SZ])|JETON|PASSWORD(?!LESS)|PASSWD|PASSPHRASE|CREDENTIAL|MOT(DE)?PASSE|APIKEY|KEYS?$"
)
_NOT_A_KEY = re.compile(r"(MON|TUR|DON|HOC|JOC|LAC|WHIS|TURN|HOT|LATCH)KEYS?")
_SECRET_PHRASE = re.compile(
    r"((MOTS?|PHRASE) (DE )?PASSE|CODE ACCES|BASIC AUTH|AUTHENTIFICATION BASIQUE|(RECOVERY|SEED) PHRASE|ERLANG COOKIE)"
    r"\b"
)
_KEYS_OWNER = _words("API ACCESS SECRET PRIVATE SIGNING ENCRYPTION MASTER ADMIN SERVICE AUTH HMAC")
"""Words before KEY that make it a secret even if other words follow: API_KEY_BREVO, but not KAFKA_KEY_SERIALIZER."""
_NOT_BEFORE = _words(
    "PUBLIC PUBLISHABLE SITE SORT SORTING PARTITION PRIMARY FOREIGN UNIQUE SHARD ROUTING TRANSLATION FALLBACK CACHE "
    "STORAGE LOCALSTORAGE IDEMPOTENCY LOOKUP DESIGN MESSAGE SHOW "
    "MOT MOTS CHIFFRE CHIFFRES DATE DATES POINT POINTS ETAPE ETAPES"
)
"""Words before a secret word that make it harmless: public keys, table keys, and French "clé" in "chiffre clé"."""
_NOT_AFTER = _words(
    "ID IDS NAME NAMES NOM HEADER FIELD CHAMP PARAM PREFIX PREFIXE SUFFIX PATTERN REGEX LABEL TITLE TITRE SUBJECT "
    "URL URLS URI ENDPOINT HOST PATH CHEMIN FILE FICHIER FOLDER DIR LIEN LINK PAGE ROUTE REGION EMAIL PROJECT "
    "TTL AGE DURATION DUREE DELAI TIMEOUT EXPIRES EXPIRY EXPIRATION EXPIRE LIFETIME VALIDITY VALIDITE ROTATION "
    "LENGTH LONGUEUR SIZE TAILLE MIN MAX COUNT LIMIT NOMBRE ROUNDS ITERATIONS BITS DAYS HOURS MINUTES SECONDS JOURS "
    "HASHER RULES REGLES LOGIN EVENT INVALIDE OUBLIE METIER "
    "TYPE FORMAT ALGORITHM ALGORITHME ALGO ISSUER AUDIENCE SCOPE SCOPES POLICY POLITIQUE MODE VERSION PROVIDER "
    "ENABLED DISABLED REQUIRED OBLIGATOIRE ACTIF "
    "PUBLIC PUBLIQUE PUBLIQUES PRIMAIRE ETRANGERE REPARTITION TRI"
)
"""Words after a secret word that make it harmless: the name, location, format or use of a secret."""


def is_secret_name(name: str) -> bool:
    """Whether a variable's name suggests a secret, in English or French: `…_KEY`, `…TOKEN…`, `MOT_DE_PASSE`.

    Names of public keys, or of a secret's attributes such as its id, length or file, do not count.
    """
    words = [word.upper() for word in _WORD.findall(name)]
    for index, word in enumerate(words):
        before, after = words[max(0, index - 1) : index], words[index + 1 :]
        if _NOT_BEFORE.isdisjoint(before) and _NOT_AFTER.isdisjoint(after) and _names_secret(before, word, after):
            return True
    return False


def _names_secret(before: Sequence[str], word: str, after: Sequence[str]) -> bool:
    if word == "PASS" and after:  # PASS_CULTURE is not a password
        return False
    if after and word in ("KEY", "KEYS") and _KEYS_OWNER.isdisjoint(before):
        return False
    return (
        word in _SECRET_WORDS
        or (_SECRET_PART.search(word) is not None and _NOT_A_KEY.fullmatch(word) is None)
        or _SECRET_PHRASE.match(" ".join([word, *after])) is not None
    )


# --- values -------------------------------------------------------------------------------------

_LONGEST = 10_000
"""Maximum number of characters examined, because some detect-secrets regular expressions take quadratic time."""
_PLACEHOLDER = re.compile(r"\$?\{\{?[^{}]*\}?\}|\$\(?[A-Z_][A-Z0-9_]*\)?|<[\w -]+>|%\(\w+\)s|%s|\*+|\[[\w -]+\]")
_HARMLESS = re.compile(
    r"|(?i:true|false|yes|no|on|off|oui|non|none|null|enabled|disabled)"
    r"|[-+]?[0-9]{1,7}([.,:][0-9]+)*|[0-9]{1,7} ?(ms|s|m|min|h|d|j|w)"
    r"|https?://\S+"
    r"|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+"  # the name of a variable or of a document's key
    r"|(/[a-z0-9._-]+)+"  # a file path
    r"|[\w.+-]+@[\w-]+(\.[\w-]+)+"
)


def reason(name: str, value: Any) -> str | None:
    """Why a variable appears to be secret, or None. If the value is unknown or secret, only the name is considered."""
    if isinstance(value, str):
        value = value[:_LONGEST]
        reason_in_value = _reason_in(value)
        if reason_in_value is not None:
            return reason_in_value
        if _is_harmless(value):
            return None
    if is_secret_name(name):
        return "has a name that suggests a secret"
    if isinstance(value, str) and not _describes_public(name) and _is_random(value):
        return "has the entropy of a secret"
    return None


def _reason_in(value: str) -> str | None:
    """Why a value appears to be secret regardless of the variable's name, or None."""
    for description, matches in _formats():
        if matches(value):
            return f"looks like {description}"
    if any(not _is_harmless(password) for password in _URL_PASSWORD.findall(value)):
        return "contains a URL with a password"
    if any(is_secret_name(name) and not _is_harmless(assigned) for name, assigned in _assignments(value)):
        return "contains a value with a name that suggests a secret"
    return None


def _is_harmless(value: str) -> bool:
    return _HARMLESS.fullmatch(value) is not None or _PLACEHOLDER.fullmatch(value) is not None


# --- formats of tokens ---------------------------------------------------------------------------

_FORMATS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----",
    "an age identity": r"AGE-SECRET-KEY-1[A-Z0-9]{20,}",
    "a GitHub token": r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a GitLab token": r"\bgl(pat|rt|dt|ptt|soat)-[\w-]{20,}",
    "a Slack token": r"\bxox[abeoprs]-[\w-]{10,}",
    "a webhook": r"hooks\.slack\.com/(services|workflows|triggers)/\w+/\w+|discord(app)?\.com/api/webhooks/\d+/[\w-]+"
    r"|webhook\.office\.com/webhookb2/|hooks\.zapier\.com/hooks/catch/\d|/hooks/[a-z0-9]{20,}",
    "a JSON web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
    "a Stripe key": r"\b([rs]k_(live|test)|whsec)_\w{10,}",
    "a Brevo key": r"\bx(keys|smtps)ib-\w{20,}",
    "a Google key": r"\bAIza[\w-]{35}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{30,}",
    "a token": r"\b(sk-(proj|ant|or|svcacct)|sntry[su]|gl(sa|c)|dckr_(pat|oat)|shp(at|ca|pa|ss)|do[opr]_v1|hv[sbr]"
    r"|lin_api|PMAK|AT[AC]TT3|dp\.(pt|st|ct|sa)|xapp|figd|hf|ntn|sbp)[-_.](?=[\w-]*[0-9])[\w-]{20,}",
    "a Mailgun key": r"\bkey-[0-9a-f]{32}\b",
    "an Airtable token": r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    "a Mapbox token": r"\bsk\.eyJ[\w-]{8,}",
    "a hashed password": r"\$(1|2[aby]|5|6|y|argon2id?)\$\S{8,}",
    "a line of .pgpass": r"^[^:\s]+:(\d+|\*):[^:\s]+:[^:\s]+:[^:\s]+$",
    "a private key in JSON": r"(?s)(?=.*\"kty\")(?=.*\"[dk]\":)^\s*\{",
    "a login for curl": r"\bcurl\b[^\n]{0,200}\s(-u|--user)[ =]?[^\s:]+:\S",
    "a signed URL": r"[?&](?i:(x-(amz|goog)-)?sig(nature)?)=[^&\s]{16,}",
    "a header with a token": r"\b[Bb]earer\s+(?=\S*\d)[\w.~+/-]{16,}",
}
_BASIC = re.compile(r"\bBasic\s+([A-Za-z0-9+/]{8,}={0,2})")


@cache
def _formats() -> Sequence[tuple[str, Callable[[str], object]]]:
    """Descriptions and predicates of all formats. Loads detect-secrets, which is slow."""
    from detect_secrets.plugins.aws import AWSKeyDetector
    from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
    from detect_secrets.plugins.base import RegexBasedDetector
    from detect_secrets.plugins.discord import DiscordBotTokenDetector
    from detect_secrets.plugins.mailchimp import MailchimpDetector
    from detect_secrets.plugins.npm import NpmDetector
    from detect_secrets.plugins.openai import OpenAIDetector
    from detect_secrets.plugins.private_key import PrivateKeyDetector
    from detect_secrets.plugins.pypi_token import PypiTokenDetector
    from detect_secrets.plugins.sendgrid import SendGridDetector
    from detect_secrets.plugins.slack import SlackDetector
    from detect_secrets.plugins.square_oauth import SquareOAuthDetector
    from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
    from detect_secrets.plugins.twilio import TwilioKeyDetector

    def searching(plugin: RegexBasedDetector) -> Callable[[str], object]:
        return lambda value: any(True for _ in plugin.analyze_string(value))

    # Excludes the detectors for URLs and names, which support neither placeholders nor French.
    plugins: list[RegexBasedDetector] = [
        AWSKeyDetector(),
        AzureStorageKeyDetector(),
        DiscordBotTokenDetector(),
        MailchimpDetector(),
        NpmDetector(),
        OpenAIDetector(),
        PrivateKeyDetector(),
        PypiTokenDetector(),
        SendGridDetector(),
        SlackDetector(),
        SquareOAuthDetector(),
        TelegramBotTokenDetector(),
        TwilioKeyDetector(),
    ]
    own = [(description, re.compile(pattern).search) for description, pattern in _FORMATS.items()]
    detected = [(f"a secret ({plugin.secret_type})", searching(plugin)) for plugin in plugins]
    return [*own, ("a header with a password", _has_basic_header), *detected]


def _has_basic_header(value: str) -> bool:
    for encoded in _BASIC.findall(value):
        try:
            if b":" in base64.b64decode(encoded, validate=True):
                return True
        except binascii.Error:
            continue
    return False


# --- secrets within a value ----------------------------------------------------------------------

_SHORTEST_ASSIGNED = 4
_KEYS = ("key", "cle", "clef")
"""Names whose values are often plain words: `?key=department`."""
_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]{1,30}://[^\s/:@?#]*:([^\s/@?#]+)@", re.IGNORECASE)
_ASSIGNMENTS = (
    # name=value in URLs, connection strings and options
    re.compile(r"([A-Za-z][\w .-]{0,40}?)\s*=\s*[\"']?([^\s\"'&;,]+)"),
    re.compile(r"--?([a-z][\w-]{1,40})\s+([^\s-]\S*)"),
    # lines of YAML and headers with a single word as the value
    re.compile(r"^\s*[\"']?([A-Za-z][\w.-]{0,40})[\"']?:\s+[\"']?([^\s\"']+)[\"']?,?\s*$", re.MULTILINE),
    # .netrc
    re.compile(r"\bmachine\s[^\n]{1,200}?\b(password)\s+(\S+)"),
)


def _assignments(value: str) -> Iterator[tuple[str, str]]:
    """Names and values within a value: in JSON, a connection string, a URL query or command-line options."""
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict | list):
        assignments: Iterable[tuple[str, str]] = _leaves("", document)
    else:
        assignments = chain.from_iterable(pattern.findall(value) for pattern in _ASSIGNMENTS)
    for name, assigned in assignments:
        if len(assigned) >= _SHORTEST_ASSIGNED and not (name.lower() in _KEYS and assigned.isalpha()):
            yield name, assigned


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _leaves(key, entry)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(name, item)


# --- entropy ------------------------------------------------------------------------------------

_RUN = re.compile(r"(?<![^\s\"',;:=])[A-Za-z0-9+/_-]{24,}={0,2}(?![^\s\"',;:])")
_MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])")
_BITS = 3.8
"""Minimum entropy of a random string, in bits per character; camelCase words have less."""
_PUBLIC_NAME = re.compile(r"IDS?$|PUBLI(C|SHABLE)|SITE_?KEY", re.IGNORECASE)
_PUBLIC = re.compile(
    r"(^|\s)(ssh-|ecdsa-|sk-ssh-)\S+ AAAA|-----BEGIN [A-Z ]*(CERTIFICATE|PUBLIC KEY|REQUEST)( BLOCK)?-----|^data:[^,]*,"
    r"|\bsha(256|384|512)[-:]|\bpk_(live|test)_"
)


def _describes_public(name: str) -> bool:
    return _PUBLIC_NAME.search(name) is not None


def _is_random(value: str) -> bool:
    if _PUBLIC.search(value):
        return False
    return any(_MIXED.match(run) and _bits(run) >= _BITS for run in _RUN.findall(value))


def _bits(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count / len(text) * log2(count / len(text)) for count in counts)
