"""One request of a caller, decided, tried, answered and recorded.

Rules
1. At most `route.max_attempts` attempts. Each goes to the next candidate of the decision; when all were tried and
   attempts are left, the last may be tried again after a jittered wait, if the retry budget allows.
2. Nothing is tried again once something of an answer reached the caller.
3. An attempt that may have been billed (the connection broke after the request was sent) allows one more, elsewhere.
4. Every path ends with the record written: success, error, refusal, the caller's leaving, the server's end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from turnout.core.deadline import Deadline
from turnout.core.errors import (
    Draining,
    Fault,
    NoDeployment,
    PriceUnknown,
    TurnoutError,
    Unsupported,
    UpstreamRejected,
    UpstreamTimeout,
)
from turnout.core.money import plain
from turnout.gateway.attempt import Answer, Attempt
from turnout.gateway.billing import Held
from turnout.gateway.intake import Intake
from turnout.gateway.outlet import Headers, Outlet
from turnout.gateway.prepare import Prepared, prepare
from turnout.gateway.services import Services
from turnout.gateway.tally import Tally
from turnout.ledger.budgets import Who
from turnout.ledger.posting import Posting
from turnout.ledger.record import AttemptRecord, Outcome
from turnout.routing.decision import Candidate, Decision, decide
from turnout.upstream.health import Call
from turnout.upstream.rejections import counts_against_health, retryable
from turnout.wire.codec import Answering
from turnout.wire.codecs import CODECS

LONGEST_WAIT = 2.0
"""Seconds to wait for a provider's Retry-After inside a request; a longer one is the caller's to wait for."""
DRAIN_SECONDS = 0.5
"""How long to read on behind a stream's terminal event, to keep the connection."""


@dataclass(slots=True)
class Execution:
    """The state of one request between its admission and its record."""

    services: Services
    intake: Intake
    request_id: str
    outlet: Outlet
    base_headers: Headers
    created: int
    who: Who
    decision: Decision | None = None
    attempts: list[AttemptRecord] = field(default_factory=list[AttemptRecord])
    postings: list[Posting] = field(default_factory=list[Posting])
    """Ends of calls that are not handed to the writer yet."""
    answered_by: str | None = None
    dropped: tuple[str, ...] = ()
    error_body: bytes | None = None
    deadline: Deadline | None = None
    """The route's, once it runs."""
    tokens: int | None = 0
    """Input and output of the answer, for the key's token limit; None where only the estimate is known."""

    def decide(self) -> Decision:
        """Decides with what is known now."""
        services, features = self.services, self.intake.features
        bound, draw = None, 0.0
        catalogue = services.reloader.current.catalogue
        route = catalogue.resolve(features.asked)
        if len(route.targets) > 1 and features.session is not None:
            bound = services.bindings.get(route.name, features.session)
            # Drawn by the conversation, so that replicas agree on where it goes.
            sticky = route.sticky
            draw = int(features.session[:8], 16) / 2**32 if sticky else services.random.random()
        self.decision = decide(
            features,
            catalogue,
            services.health.snapshot(target.deployment for target in route.targets),
            bound=bound,
            draw=draw,
            now=services.clock.monotonic(),
        )
        return self.decision

    async def run(self) -> None:
        """Tries until an answer is out. Raises the last error where none is."""
        assert self.decision is not None, "decide comes first"
        try:
            with Deadline(self.decision.route.total_timeout) as self.deadline:
                await self._try_all(self.decision)
        except TimeoutError:
            raise UpstreamTimeout(
                f"'{self.decision.route.name}' did not answer within {self.decision.route.total_timeout:g} seconds."
            ) from None

    async def _try_all(self, decision: Decision) -> None:
        route, services = decision.route, self.services
        last: TurnoutError | None = None
        billed = 0
        candidates = list(decision.candidates)
        tried = 0
        while tried < route.max_attempts and candidates:
            candidate = candidates.pop(0)
            try:
                prepared = prepare(self.intake, candidate, route.drop, services.vault.of(self.intake.key_id))
            except Unsupported as error:
                last = last or error
                continue
            call = None if self._full(candidate) else services.health.begin(candidate.deployment.name)
            if call is None:
                continue
            tried += 1
            try:
                await self._attempt(candidate, prepared, call, tried)
                return
            except TurnoutError as error:
                last = error
                if isinstance(error, PriceUnknown) and candidates:  # nothing was sent, and the next may have a price
                    tried -= 1
                    continue
                if self.outlet.committed or not retryable(error):
                    raise
                billed += self._may_have_cost(error)
                if billed > 1:
                    raise
            if not candidates and tried < route.max_attempts:
                # Billed once perhaps is no reason to be billed twice by the same provider.
                if billed or not await self._may_retry(last, tried):
                    break
                candidates.append(candidate)
        raise last or NoDeployment(
            f"Every deployment of '{route.name}' has just failed.", retry_after=1.0, should_retry=True
        )

    def _full(self, candidate: Candidate) -> bool:
        """Whether its places were taken since the decision."""
        name, most = candidate.deployment.name, candidate.deployment.max_concurrency
        return most is not None and self.services.health.snapshot((name,)).of(name).in_flight >= most

    def _may_have_cost(self, error: TurnoutError) -> bool:
        return not isinstance(error, UpstreamRejected) and bool(self.attempts) and self.attempts[-1].estimated

    async def _may_retry(self, error: TurnoutError, tried: int) -> bool:
        """Whether the only deployment left may be tried again; waits until then."""
        services = self.services
        if error.should_retry is False or (error.retry_after or 0.0) > LONGEST_WAIT or not services.retries.spend():
            return False
        wait = services.retries.wait(tried, services.random)
        await asyncio.sleep(max(wait, error.retry_after or 0.0))
        return True

    async def _attempt(self, candidate: Candidate, prepared: Prepared, call: Call, number: int) -> None:
        services, clock = self.services, self.services.clock
        held = await self._hold(candidate, call, number)
        attempt = Attempt(
            services=services,
            intake=self.intake,
            candidate=candidate,
            prepared=prepared,
            number=number,
            started_at=clock.now(),
            started=clock.monotonic(),
            tally=Tally(prepared.target),
        )
        outcome: Outcome = "cancelled"
        problem: TurnoutError | None = None
        posting: Posting | None = None
        try:
            headers = self.headers(candidate, prepared, number)
            answer = await attempt.run(self.outlet, self.answering(), headers)
            if held is not None and answer.unread is None:  # all is known before the answer goes out
                posting = services.billing.end(held, attempt.ending(), self.intake)
                headers.append((b"x-turnout-cost-usd", _dollars(posting)))
            await self._deliver(answer, headers, attempt)
            outcome = "ok"
        except TurnoutError as error:
            problem = error
            attempt.note(error)
            outcome = "truncated" if self.outlet.committed else "error"
            self.error_body = attempt.error_body
            raise
        except asyncio.CancelledError:
            self.tokens = None  # the provider may work on it all the same: leaving early is no way round a limit
            if self.deadline is not None and self.deadline.expired:  # slow, rather than left by its caller
                outcome = "truncated" if self.outlet.committed else "error"
                if not self.outlet.sending:  # else it is the caller who was slow: no word against the deployment
                    # What went out by then, the attempt knows: a connection that never came costs nothing.
                    problem = UpstreamTimeout(f"{candidate.deployment.name} took all of the route's time.")
            raise
        except Exception:  # a defect of ours
            outcome = "truncated" if self.outlet.committed else "error"
            raise
        finally:
            attempt.close()
            if held is not None:
                self.postings.append(posting or services.billing.end(held, attempt.ending(), self.intake))
            self._settle(call, attempt, outcome, problem)
            problem = None  # it knows this frame: one must not keep the other until a collection

    async def _hold(self, candidate: Candidate, call: Call, number: int) -> Held | None:
        """Sets the money aside. Where that fails nothing was tried."""
        services = self.services
        if self.postings:  # what the attempt before this one held may be needed for this one
            services.writer.post(tuple(self.postings))
            self.postings.clear()
        try:
            assert self.decision is not None, "decide comes first"
            return await services.billing.hold(
                self.intake,
                self.who,
                self.decision.route,
                candidate.deployment,
                request_id=self.request_id,
                number=number,
            )
        except BaseException:
            services.health.abandon(call)
            raise

    def _settle(self, call: Call, attempt: Attempt, outcome: Outcome, error: TurnoutError | None) -> None:
        """Tells health, and writes the attempt down."""
        health = self.services.health
        if outcome == "ok":
            first = attempt.first_byte
            health.succeed(call, None if first is None else first - attempt.started)
        elif error is not None and counts_against_health(error):
            wait = error.retry_after if isinstance(error, UpstreamRejected) else None
            health.fail(call, reason=error.code, retry_after=wait)
        else:
            health.abandon(call)
        record = attempt.record(self.request_id, outcome, error)
        self.attempts.append(record)
        if record.input_tokens is not None or record.output_tokens is not None:
            self.tokens = (record.input_tokens or 0) + (record.output_tokens or 0)

    async def _deliver(self, answer: Answer, headers: Headers, attempt: Attempt) -> None:
        candidate, outlet = attempt.candidate, self.outlet
        self.answered_by = candidate.deployment.name
        self.dropped = attempt.prepared.dropped
        if answer.unread is None:
            outlet.first_sent = self.services.clock.monotonic()
            self._bind(candidate)
            await outlet.whole(200, headers, answer.body)
        else:
            if not outlet.opened:
                await outlet.open(headers)
            if not outlet.committed:  # the whole answer came at once
                outlet.committed = True
                outlet.first_sent = self.services.clock.monotonic()
            self._bind(candidate)  # before the caller can send the conversation's next turn
            await outlet.end(answer.body)
            await _read_on(answer)

    def _bind(self, candidate: Candidate) -> None:
        route = self.decision.route if self.decision else None
        session = self.intake.features.session
        if route is not None and route.sticky and len(route.targets) > 1 and session is not None:
            self.services.bindings.bind(route.name, session, candidate.deployment.name, route.sticky_seconds)

    def answering(self) -> Answering:
        """What writers of the answer need to know."""
        return Answering(
            request=self.intake.request,
            model=self.intake.request.model,
            response_id=self.request_id.removeprefix("req_"),
            created=self.created,
            input_tokens=self.intake.features.input_tokens,
        )

    def headers(self, candidate: Candidate, prepared: Prepared, number: int) -> Headers:
        """What the caller is told of who answers and why."""
        assert self.decision is not None, "decide comes first"
        headers = [
            *self.base_headers,
            (b"x-turnout-deployment", candidate.deployment.name.encode("latin-1", "replace")),
            (b"x-turnout-attempts", b"%d" % number),
            (b"x-turnout-reason", self.decision.reason.encode("latin-1", "replace")),
        ]
        if prepared.dropped:
            headers.append((b"x-turnout-dropped", ",".join(prepared.dropped).encode("latin-1", "replace")))
        return headers

    async def tell(self, error: TurnoutError) -> None:
        """Ends the answer with an error in the caller's dialect: as HTTP, or in the stream where that is open."""
        codec, outlet = CODECS[self.intake.endpoint.dialect], self.outlet
        if outlet.closed:
            return
        if outlet.opened:
            assert codec.writer is not None, "only streams are opened before their end"
            await outlet.end(codec.writer(self.answering()).fail(error))
            return
        assert codec.render_error is not None, "a dialect that callers speak writes errors"
        body = self.error_body if self.error_body and error.fault is Fault.CALLER else None
        headers = [*self.base_headers, *error_headers(error)]
        await outlet.whole(codec.error_status(error), headers, body or codec.render_error(error, self.request_id))


def _dollars(posting: Posting) -> bytes:
    """Such as `0.00132`, `~0.00132` where it is estimated, `unknown`."""
    if posting.cost_nano is None:
        return b"unknown"
    amount = plain(Decimal(posting.cost_nano).scaleb(-9)).encode()
    return b"~" + amount if posting.estimated else amount


async def _read_on(answer: Answer) -> None:
    assert answer.unread is not None, "only streams are read on"
    try:
        with Deadline(DRAIN_SECONDS):
            async for _ in answer.unread:
                pass
    except (TimeoutError, TurnoutError):
        pass  # the answer was complete; only the connection is lost


def error_headers(error: TurnoutError) -> Headers:
    """What clients decide their retries by. openai-python gives up above 120 s, Anthropic's SDK waits for any time."""
    headers: Headers = []
    if error.retry_after is not None:
        wait = min(max(error.retry_after, 0.0), 60.0)
        headers.append((b"retry-after", b"%d" % max(1, round(wait + 0.499))))
        headers.append((b"retry-after-ms", b"%d" % round(wait * 1000)))
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    if isinstance(error, UpstreamRejected):
        headers.append((b"x-turnout-upstream-status", b"%d" % error.upstream_status))
    return headers


def ended_by_us() -> Draining:
    """What a caller is told whose answer the server's end cuts off."""
    return Draining("This server is shutting down; the answer is incomplete.", retry_after=1.0, should_retry=True)
