"""Why a refusal happened, in words for an auditor; vendors are told less, by http/problems.py."""

from dataclasses import dataclass

POLICY_STATUS = 403


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence, and the part of the vendor's policy that said no, if a policy did."""

    sentence: str
    rule: str | None = None


# What a policy refused: the code alone names the rule (policies.decide).
_BY_POLICY = {
    "VENDOR_NOT_ACTIVE": Explanation(
        "No policy is loaded for this contract, or its term has not begun.", "term.from"
    ),
    "CONTRACT_ENDED": Explanation("The policy's term is over.", "term.to"),
    "NETWORK_NOT_LISTED": Explanation(
        "The request came from an address in none of the policy's networks.", "networks"
    ),
    "PURPOSE_MISSING": Explanation("The request named no purpose.", "purposes"),
    "PURPOSE_NOT_ALLOWED": Explanation(
        "The policy does not list the purpose that the request named.", "purposes"
    ),
    "FIELD_NOT_IN_SCOPE": Explanation(
        "The policy releases no field at the stage that was asked for.", "stages"
    ),
    "RATE_LIMIT": Explanation(
        "The day's quota of cases would have been passed.", "quotas.pull_cases_per_day"
    ),
}
# What was refused before any policy was asked, or beside it.
_BY_GATEWAY = {
    "CRED_UNKNOWN": "The certificate is of a trusted authority but was never registered.",
    "CRED_REVOKED": "The certificate or its vendor had been revoked.",
    "CRED_SUSPENDED": "The credential was suspended.",
    "CRED_EXPIRED": "The certificate was not valid yet, or not any more.",
    "VENDOR_NOT_ACTIVE": "The vendor was suspended or had ended.",
    "CONTRACT_ENDED": "The registered contract had not begun or was over.",
    "TOKEN_MISSING": "The request carried no access token.",
    "TOKEN_INVALID": "The access token was malformed or not signed by this gateway.",
    "TOKEN_EXPIRED": "The access token was past its time.",
    "TOKEN_FOREIGN": "The access token was issued to another certificate or contract.",
    "TOKEN_REVOKED": "The vendor had ended the access token before its time.",
    "INVALID_CLIENT": "The token request named a vendor that the certificate is not of.",
    "UNSUPPORTED_GRANT_TYPE": "The token request asked for a grant that is not offered.",
    "NOT_FOUND": "Nothing of this name is this caller's: foreign, recalled, or unknown.",
    "METHOD_NOT_ALLOWED": "The route does not take this method.",
    "BODY_TOO_LARGE": "The body was larger than the route takes.",
    "HEADERS_TOO_LARGE": "The request's head was larger than is read.",
    "SCHEMA_INVALID": "A parameter or the body did not fit its description.",
    "PERMIT_MISSING": "What was shown is no dial token of this gateway.",
    "PERMIT_USED": "The permit had been used, closed or given back.",
    "PERMIT_EXPIRED": "The permit's time was over.",
    "PERMIT_VOIDED": "A hold, a recall, a suspension or a withdrawal had ended the permit.",
    "UPLOAD_OFFSET": "The part of a recording did not begin where the upload stood.",
    "UPLOAD_OPEN": "Another content of the same call was on its way.",
    "UPLOAD_BUSY": "Another request was writing to the same upload.",
    "UPLOAD_OVER": "The upload had ended, expired or been deleted.",
    "UPLOAD_CHECKSUM": "A part of a recording did not hash to what its header said.",
    "UPLOAD_QUOTA": "The vendor's recorded bytes of the day would have passed the quota.",
    "UPLOAD_VERSION": "The request named no version of tus that is spoken here.",
    "RECORDING_TYPE": "The first bytes of a recording were not of the announced codec.",
    "RECORDING_TOO_LARGE": "A recording was larger than allowed, or than it was announced.",
    "RECORDING_MISMATCH": "A recording's content was not what had been announced of it.",
    "RECORDING_CHANGED": "Another recording was offered for a call that has one.",
    "IDENTITY_TRIES_USED": "Three tries at the last four digits had been made that day.",
    "CONSENT_REJECTED": "A consent was not prior, too long, unproven, or from no permitted call.",
    "IDEMPOTENCY_KEY_REUSED": "The idempotency key had been used for another request.",
    "PERIOD_NOT_ENDED": "A report was sent of a period that was not over.",
    "RECONCILE_MISMATCH": "A report's numbers were not what was counted; nothing was accepted.",
    "CHANGES_FORGOTTEN": "The cursor was older than the changes that are kept.",
    "RATE_LIMITED": "The caller had as many streams, or had asked as often, as it may.",
    "UNKNOWN_CODE": "The result code is not known, or cannot be of such a call.",
    "CONTENDED": "The debtor's state changed at each of many attempts to count the call.",
    "RULES_UNSET": "No law pack was in force, so that no call could be allowed.",
    "APPROVAL_MISSING": "No second person had approved exactly this.",
    "SECOND_PERSON_NEEDED": "Who had proposed something wanted to approve it as well.",
    "PROPOSAL_NOT_OPEN": "The proposal had been decided, withdrawn or used, or had expired.",
    "REVOKED_IS_FINAL": "What was to be lifted had been revoked, which is for good.",
    "NOT_SUSPENDED": "There was no suspension to be lifted.",
    "CONTRACT_NOT_RUNNING": "The contract had not begun or was over, or its vendor was suspended.",
    "CSR_MALFORMED": "The request for a certificate could not be read.",
    "PROXY_HEADER_FORBIDDEN": "A certificate's header came from where none may come.",
    "ROLE_NOT_ALLOWED": "The staff member's role does not cover the route.",
    "PORTFOLIO_FILE": "The case file could not be read as a whole.",
    "ILLEGAL_TRANSITION": "The thing was not in a state from which this leads on.",
    "HASH_MISMATCH": "What came was not what its digest said; nothing of it was processed.",
    "PII_IN_PAYLOAD": "A value looked like an identity or mobile number where none is taken.",
    "AGENT_NOT_ACCEPTED": (
        "The person was banned, suspended, or registered elsewhere; `asked` says who it was."
    ),
    "AGENT_NOT_QUALIFIED": "The agent lacked a course or a signed promise of secrecy.",
    "STATEMENT_MISSING": "The script's text lacked a statement that it has to make.",
    "FORBIDDEN_TERM": "The text held a term that is forbidden.",
    "NOT_BANNED": "There was no ban to be lifted.",
    "ALREADY_EXISTS": "The name was taken.",
    "TRUST_STALE": "The worker had not heard of revocations for too long and refused everybody.",
    "DATABASE_UNAVAILABLE": "The database did not answer.",
    "AUDIT_UNAVAILABLE": "The log did not answer.",
    "INTERNAL": "Something failed in the gateway; its own log of that moment says more.",
}
_UNKNOWN = "There is no sentence for this code; the table of codes in gateway/README.md has it."


def explain(code: str, *, status: int | None) -> Explanation:
    """What a code of a refusal means; `status` tells a policy's no from the gateway's."""
    if status == POLICY_STATUS and code in _BY_POLICY:
        return _BY_POLICY[code]
    return Explanation(_BY_GATEWAY.get(code, _UNKNOWN))
