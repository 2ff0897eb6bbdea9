"""What the audit log tells of."""

from enum import StrEnum


class Event(StrEnum):
    """Something that happened, by its stable name."""

    LOGIN = "auth.login"
    LOGIN_REFUSED = "auth.login_refused"
    LOCKED = "auth.locked"
    LOGOUT = "auth.logout"
    SESSION_ENDED = "auth.session_ended"
    SIGNED_OUT_EVERYWHERE = "auth.signed_out_everywhere"
    REFRESH_REUSED = "auth.refresh_reused"
    PASSWORD_CHANGED = "auth.password_changed"  # noqa: S105 - a name
    RESET_REQUESTED = "auth.password_reset_requested"
    PASSWORD_RESET = "auth.password_reset"  # noqa: S105 - a name
    INVITATION_ACCEPTED = "auth.invitation_accepted"
    SECOND_FACTOR_ON = "auth.second_factor_on"
    SECOND_FACTOR_OFF = "auth.second_factor_off"
    RECOVERY_CODE_USED = "auth.recovery_code_used"
    USER_CREATED = "user.created"
    USER_CHANGED = "user.changed"
    USER_INVITED = "user.invited"
    USER_ACTIVATED = "user.activated"
    USER_DEACTIVATED = "user.deactivated"
    ROLE_CREATED = "role.created"
    ROLE_CHANGED = "role.changed"
    ROLE_DELETED = "role.deleted"
    JOB_REPLAYED = "job.replayed"
    JOB_DISCARDED = "job.discarded"
    MAIL_DROPPED = "mail.dropped"
