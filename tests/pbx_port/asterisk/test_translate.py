from __future__ import annotations

from datetime import timedelta
from itertools import zip_longest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.pbx.asterisk.picture import Known, Lines, describe_name
from nutshellpbx.pbx.asterisk.protocol import Message
from nutshellpbx.pbx.asterisk.translate import STATE, nothing_known, resync, translate
from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER, CallEvent, Cause, Direction, Kind, Via
from tests.pbx_port.asterisk.expected import EXPECTED
from tests.pbx_port.asterisk.messages import (
    PHONE,
    TRUNK,
    describe,
    inbound_ringing,
    inbound_talking,
    make_hangup,
    make_message,
)
from tests.pbx_port.asterisk.telling import NOON, hear_all, read_messages, read_recording, tell


def is_empty(known: Known) -> bool:
    return not (known.channels or known.calls or known.aliases)


@pytest.mark.parametrize("story", EXPECTED)
def test_story_comes_to_what_it_must(story: str) -> None:
    known, events = hear_all(read_messages(read_recording(story)))
    assert tell(events) == EXPECTED[story]
    assert is_empty(known)
    assert known.unknown == {}


@pytest.mark.parametrize("story", EXPECTED)
def test_story_is_the_same_one_byte_at_a_time(story: str) -> None:
    raw = read_recording(story)
    assert hear_all(read_messages(raw, pieces=1)) == hear_all(read_messages(raw))


def test_flood_of_variables_changes_nothing() -> None:
    _, events = hear_all(read_messages(read_recording("inbound_answered_unfiltered")))
    assert tell(events) == EXPECTED["inbound_answered"]


@pytest.mark.parametrize("story", EXPECTED)
def test_every_message_twice_tells_nothing_twice(story: str) -> None:
    messages = read_messages(read_recording(story))
    _, events = hear_all(message for message in messages for _ in range(2))
    assert tell(events) == EXPECTED[story]


@pytest.mark.parametrize("story", sorted(set(EXPECTED) - {"queue_local_channels"}))
def test_two_stories_at_once_stay_apart(story: str) -> None:
    """Two recordings heard message by message in turn tell what each tells alone."""
    other = "queue_local_channels"
    one, two = (read_messages(read_recording(name)) for name in (story, other))
    mixed = [message for pair in zip_longest(one, two) for message in pair if message is not None]
    _, events = hear_all(mixed)
    assert tell(events) == sorted([*EXPECTED[story], *EXPECTED[other]])


@pytest.mark.parametrize("story", EXPECTED)
def test_hearing_may_begin_at_any_message(story: str) -> None:
    messages = read_messages(read_recording(story))
    for start in range(0, len(messages), 3):
        known, events = hear_all(messages[start:])
        check_grammar(events)
        assert is_empty(known), f"from message {start}"


@settings(max_examples=200, deadline=None)
@given(story=st.sampled_from(sorted(EXPECTED)), picks=st.lists(st.integers(0, 400), max_size=60))
def test_lost_and_disordered_messages_never_break_it(story: str, picks: list[int]) -> None:
    messages = read_messages(read_recording(story))
    for pick in picks:
        place = pick % len(messages)
        if pick % 2 and len(messages) > 1:
            del messages[place]
        else:
            messages.insert((place * 7) % len(messages), messages.pop(place))
    known, events = hear_all(messages)
    known, rest = resync(known, [], NOON)
    # A channel of which we hear after all others of its call hung up makes that call live once more.
    check_grammar([*events, *rest], may_revive=True)
    assert is_empty(known)


def check_grammar(events: list[CallEvent], *, may_revive: bool = False) -> None:
    """Each leg ends once and says nothing after it; each call ends once, after all of its legs."""
    ended: set[str] = set()
    over: set[str] = set()
    open_legs: dict[str, str] = {}
    for event in events:
        assert may_revive or event.call_uid not in over, f"{event} after its call was over"
        if event.kind is Kind.JOINED:
            over.add(event.call_uid)
            open_legs = {
                leg: event.joins if call == event.call_uid else call for leg, call in open_legs.items()
            }
        elif event.leg:
            assert event.leg not in ended, f"{event} after its leg was over"
            open_legs[event.leg] = event.call_uid
            if event.kind is Kind.ENDED:
                ended.add(event.leg)
                del open_legs[event.leg]
        elif event.kind is Kind.ENDED:
            assert event.call_uid not in open_legs.values(), f"{event} with a leg still open"
            over.add(event.call_uid)
    assert not open_legs


def test_unknown_events_are_counted() -> None:
    known, events = hear_all([make_message("Novelty"), make_message("Novelty"), make_message("Cdr")])
    assert (dict(known.unknown), events) == ({"Novelty": 2}, [])


def test_kinds_of_unknown_events_are_bounded() -> None:
    known, _ = hear_all(make_message(f"Novelty{number}") for number in range(1000))
    assert len(known.unknown) == 201
    assert sum(known.unknown.values()) == 1000


def test_late_words_about_a_dead_channel_do_not_wake_it() -> None:
    known, _ = hear_all([*inbound_talking(), make_hangup("100.2"), make_hangup("100.1")])
    known, events = hear_all([make_message("NewCallerid", **describe(PHONE, "100.2", "Up"))], known=known)
    assert (is_empty(known), events) == (True, [])


def test_second_ring_of_same_leg_tells_nothing_new() -> None:
    known, first = hear_all(inbound_ringing())
    _, again = hear_all([make_message("Newstate", **describe(PHONE, "100.2", "Ringing"))], known=known)
    assert [event.kind for event in first] == [Kind.RINGING]
    assert again == []


def test_outside_caller_with_an_extensions_number_is_still_outside() -> None:
    _, (ringing,) = hear_all(inbound_ringing(number="102", name="Ben"))
    assert (ringing.extension, ringing.direction, ringing.number) == ("101", Direction.INBOUND, "102")


@pytest.mark.parametrize("withheld", ["<unknown>", "", "anonymous", "Anonymous", "Restricted", "UNAVAILABLE"])
def test_withheld_numbers_are_empty(withheld: str) -> None:
    _, (ringing,) = hear_all(inbound_ringing(number=withheld, name=withheld))
    assert (ringing.number, ringing.name) == ("", "")


def test_hostile_number_and_name_are_bounded_and_printable() -> None:
    number, name = "1" * 500, "<script>\x00\x1b[31m\u202e" + "x" * 500
    _, (ringing,) = hear_all(inbound_ringing(number=number, name=name))
    assert ringing.number == "1" * MAX_NUMBER
    assert len(ringing.name) == MAX_NAME
    assert ringing.name.startswith("<script>\ufffd\ufffd[31m")
    assert ringing.name.isprintable()


def test_channel_whose_id_is_too_long_is_refused_and_counted() -> None:
    known, events = hear_all([make_message("Newchannel", **describe(TRUNK, "1." + "9" * 300, "Ring"))])
    assert (is_empty(known), events) == (True, [])
    assert dict(known.unknown) == {"(ids too long)": 1}


def test_transfer_that_shows_our_own_extension_for_a_moment_changes_nothing() -> None:
    known, _ = hear_all(inbound_talking())
    own = describe(TRUNK, "100.1", "Up", CallerIDNum="101", CallerIDName="Ada")
    _, events = hear_all([make_message("NewCallerid", **own)], known=known)
    assert events == []


def test_legs_place_is_taken_by_a_new_channel_and_it_stays_the_same_leg() -> None:
    """As when a bridged channel is sent to the dial plan: Asterisk puts another channel under its name."""
    known, _ = hear_all(inbound_talking())
    renames = [
        make_message("Newchannel", **describe(f"AsyncGoto/{PHONE}", "100.3", "Up")),
        make_message("Rename", Uniqueid="100.2", Channel=PHONE, Newname=f"{PHONE}<MASQ>"),
        make_message("Rename", Uniqueid="100.3", Channel=f"AsyncGoto/{PHONE}", Newname=PHONE),
        make_message("Rename", Uniqueid="100.2", Channel=f"{PHONE}<MASQ>", Newname=f"{PHONE}<ZOMBIE>"),
        make_hangup("100.2"),
        make_hangup("100.3"),
        make_hangup("100.1"),
    ]
    known, events = hear_all(renames, known=known)
    assert [(event.kind, event.leg) for event in events] == [(Kind.ENDED, "100.2"), (Kind.ENDED, "")]
    assert is_empty(known)


def test_two_customers_in_one_conference_stay_two_calls() -> None:
    other = describe("PJSIP/trunk-00000009", "100.9", "Up", Linkedid="100.9", CallerIDNum="13125550199")
    messages = [
        *inbound_talking(),
        make_message("Newchannel", **other | {"ChannelState": "4"}),
        make_message("BridgeEnter", BridgeUniqueid="b1", **other),
        make_hangup("100.9"),
        make_hangup("100.2"),
        make_hangup("100.1"),
    ]
    known, events = hear_all(messages)
    assert Kind.JOINED not in {event.kind for event in events}
    assert [event.call_uid for event in events if event.kind is Kind.ENDED and not event.leg] == [
        "100.9",
        "100.1",
    ]
    assert is_empty(known)


def test_internal_call_joins_the_customers_call_even_when_it_is_older() -> None:
    """Asterisk itself would keep the oldest; for us the customer's call is the one that goes on."""
    old = {"Linkedid": "99.1", "Context": "from-internal"}
    ben = describe("PJSIP/102-00000005", "99.1", "Ring", CallerIDNum="102", Exten="103", **old)
    cyd = describe("PJSIP/103-00000006", "99.2", "Ringing", CallerIDNum="103", Exten="s", **old)
    dial = {f"Dest{key}": value for key, value in cyd.items()}
    enter = make_message("BridgeEnter", BridgeUniqueid="b1", **cyd | {"ChannelState": "6"})
    known, events = hear_all(
        [
            make_message("Newchannel", **ben),
            make_message("DialBegin", **ben, **dial),
            *inbound_talking(),
            enter,
        ]
    )
    joined = next(event for event in events if event.kind is Kind.JOINED)
    assert (joined.call_uid, joined.joins) == ("99.1", "100.1")
    last = events[-1]
    assert (last.kind, last.call_uid, last.leg, last.direction) == (
        Kind.ANSWERED,
        "100.1",
        "99.2",
        Direction.INBOUND,
    )


def test_freepbx_ring_group_context_names_the_group() -> None:
    trunk = describe(TRUNK, "100.1", "Ring", Context="ext-group", Exten="600")
    phone = describe(PHONE, "100.2", "Ringing", CallerIDNum="101", Exten="s")
    dial = {f"Dest{key}": value for key, value in phone.items()}
    begin = make_message("Newchannel", **describe(TRUNK, "100.1", "Ring"))
    _, (ringing,) = hear_all(
        [begin, make_message("DialBegin", **trunk, **dial), make_message("Newstate", **phone)]
    )
    assert (ringing.via, ringing.via_name, ringing.dialled) == (Via.GROUP, "600", "12125550101")


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("PJSIP/101-0000002a", "101"),
        ("SIP/2001-0000002a", "2001"),
        ("IAX2/101-1234", "101"),
        ("PJSIP/webphone-ada-0000002a", "101"),
        ("PJSIP/trunk-0000002a", ""),
        ("SIP/13125550142-0000002a", ""),
        ("DAHDI/i1/3125550142-1", ""),
        ("PJSIP/77-0000002a", ""),
        ("PJSIP/٣٤٥-0000002a", ""),
        ("Local/101@from-queue-00000001;2", ""),
        ("PJSIP/101-0000002a<ZOMBIE>", ""),
        ("CBAnn/800-00000000;1", ""),
        ("nonsense", ""),
    ],
)
def test_extension_of_a_channel_is_its_devices(name: str, extension: str) -> None:
    lines = Lines(trunks=frozenset({"77"}), devices={"webphone-ada": "101"})
    assert describe_name(name, lines)[1] == extension


@pytest.mark.parametrize(
    ("dial_string", "number"),
    [
        ("13125550142@trunk", "13125550142"),
        ("trunk/13125550142", "13125550142"),
        ("trunk/sip:+13125550142@203.0.113.7", "+13125550142"),
        ("g0/13125550142", "13125550142"),
    ],
)
def test_outbound_number_is_what_was_sent_to_the_outside_line(dial_string: str, number: str) -> None:
    phone = describe(PHONE, "100.1", "Ring", Exten="913125550142")
    trunk = describe(TRUNK, "100.2", "Down", CallerIDNum="<unknown>", Exten="s")
    dial = {f"Dest{key}": value for key, value in trunk.items()}
    _, (dialing,) = hear_all(
        [
            make_message("Newchannel", **phone),
            make_message("DialBegin", **phone, **dial, DialString=dial_string),
        ]
    )
    assert (dialing.kind, dialing.direction) == (Kind.DIALING, Direction.OUTBOUND)
    assert (dialing.number, dialing.dialled) == (number, "913125550142")


@pytest.mark.parametrize(
    ("status", "hangup", "cause"),
    [
        ("BUSY", "17", Cause.BUSY),
        ("NOANSWER", "0", Cause.NO_ANSWER),
        ("CHANUNAVAIL", "20", Cause.FAILED),
        ("CONGESTION", "34", Cause.FAILED),
        ("CANCEL", "26", Cause.ANSWERED_ELSEWHERE),
        ("CANCEL", "0", Cause.NO_ANSWER),
        ("", "21", Cause.BUSY),
    ],
)
def test_end_of_a_ringing_leg_says_why(status: str, hangup: str, cause: Cause) -> None:
    trunk = describe(TRUNK, "100.1", "Ring")
    dial = describe(PHONE, "100.2", "Ringing", prefix="Dest")
    ends = [make_message("DialEnd", **trunk, **dial, DialStatus=status), make_hangup("100.2", cause=hangup)]
    _, events = hear_all([*inbound_ringing(), *ends])
    assert (events[-1].kind, events[-1].cause) == (Kind.ENDED, cause)


def test_call_taken_by_a_colleague_came_through_no_group_even_if_the_first_phone_still_rings() -> None:
    messages = read_messages(read_recording("pick_up"))
    rung = next(message.find("TargetUniqueid") for message in messages if message.event == "Pickup")
    late = [message for message in messages if message.event == "Hangup" and message.find("Uniqueid") == rung]
    talk = next(message for message in messages if message.find("BridgeNumChannels") == "2")
    rest = [message for message in messages if message not in late]
    talking = rest.index(talk) + 1
    _, events = hear_all([*rest[:talking], *late, *rest[talking:]])
    assert tell(events) == EXPECTED["pick_up"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (2, 0, 1, 3), (0, 1, 3, 2)])
def test_phone_that_refuses_is_busy_whatever_overtakes_what(order: tuple[int, ...]) -> None:
    """Asterisk tells of channels and of diallings by different ways; under load one overtakes the other."""
    trunk = describe(TRUNK, "100.1", "Ring")
    leg = describe(PHONE, "100.2", "Down", ConnectedLineNum="13125550142")
    dest = {f"Dest{key}": value for key, value in leg.items()}
    begin = [make_message("Newchannel", **trunk), make_message("Newchannel", **leg)]
    rest = [
        make_message("DialBegin", **trunk, **dest, DialString="101"),
        make_message("DialEnd", **trunk, **dest, DialStatus="BUSY"),
        make_hangup("100.2", cause="17"),
        make_hangup("100.1", cause="17"),
    ]
    messages = [*begin, *(rest[place] for place in order)]
    known, events = hear_all(messages)
    assert tell(events) == [
        "101: ended busy inbound 13125550142 Grace Customer to 12125550101",
        "call: ended busy inbound 13125550142 Grace Customer to 12125550101",
    ]
    assert is_empty(known)


def test_first_word_on_the_end_of_a_dialling_counts() -> None:
    """A queue says that the phone was busy and then, of the same leg, that it cancelled."""
    trunk, leg = describe(TRUNK, "100.1", "Ring"), describe(PHONE, "100.2", "Ringing", prefix="Dest")
    ends = [make_message("DialEnd", **trunk, **leg, DialStatus=status) for status in ("BUSY", "CANCEL")]
    _, events = hear_all([*inbound_ringing(), *ends, make_hangup("100.2", cause="0")])
    assert events[-1].cause is Cause.BUSY


def test_leg_behind_a_local_channel_ends_for_the_reason_of_the_outer_dialling() -> None:
    """A queue's time is over: nobody answered, although the caller hangs up before the phone is told."""
    half = "Local/101@from-queue-00000001"
    trunk = describe(TRUNK, "100.1", "Up")
    first, second = describe(f"{half};1", "100.3", "Down"), describe(f"{half};2", "100.4", "Ring")
    phone = describe(PHONE, "100.2", "Ringing", CallerIDNum="101")

    def dial(event: str, source: dict[str, str], target: dict[str, str], **more: str) -> Message:
        return make_message(event, **source, **{f"Dest{key}": target[key] for key in target}, **more)

    messages = [
        *(make_message("Newchannel", **channel) for channel in (trunk, first, second, phone)),
        dial("DialBegin", trunk, first),
        dial("DialBegin", second, phone),
        dial("DialEnd", trunk, first, DialStatus="NOANSWER"),
        make_message("HangupRequest", **trunk),
        dial("DialEnd", second, phone, DialStatus="CANCEL"),
        make_hangup("100.2", cause="0"),
    ]
    _, events = hear_all(messages)
    assert [(event.kind, event.cause) for event in events] == [
        (Kind.RINGING, None),
        (Kind.ENDED, Cause.NO_ANSWER),
    ]


def test_unknown_channel_makes_us_ask_for_the_whole_state_but_not_all_the_time() -> None:
    known = nothing_known("pbx", Lines())
    known, _, wanted = translate(known, make_message("Newstate", **describe(PHONE, "1.1", "Ringing")), NOON)
    assert wanted == [STATE]
    soon = NOON + timedelta(seconds=1)
    known, _, wanted = translate(known, make_message("Newstate", **describe(PHONE, "1.2", "Ringing")), soon)
    assert wanted == []
    later = NOON + timedelta(seconds=10)
    _, _, wanted = translate(known, make_message("Newstate", **describe(PHONE, "1.3", "Ringing")), later)
    assert wanted == [STATE]
