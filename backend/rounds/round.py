"""One round, top to bottom: sync → fit → score → order → publish. Read this first.

A round is asked for whenever something changed, and finds out here what, if anything, is due. It reads the truth from
Label Studio, so it may come twice, late, or be killed anywhere and run again.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial

from backend.rounds.asking.wishes import read_wishes
from backend.rounds.clean_up import KEPT_PUBLICATIONS, clean_up
from backend.rounds.connection import confirm_connection
from backend.rounds.context import InUse, RoundContext
from backend.rounds.facts import PublishedTexts, order_digest, published_texts, training_facts, with_order
from backend.rounds.fit import try_fit
from backend.rounds.llm.access import open_llms
from backend.rounds.llm.checking import checks_so_far
from backend.rounds.llm.choosing import LLMContext, choose, chosen_for
from backend.rounds.llm.drafting import figures_so_far
from backend.rounds.measuring.measure import measure
from backend.rounds.ordering import Ordered, make_order
from backend.rounds.plan import NEW_LABELS, live_queue, plan
from backend.rounds.publish import next_number, publish, switch
from backend.rounds.score import classify_by_names, embedder, source_of
from backend.rounds.standing import Standing, asked_for
from backend.rounds.supply import supplying
from backend.rounds.sync import Synced, has_unseen_changes, sync, unread_changes
from backend.settings import ProjectSettings, Settings
from backend.store.embeddings import keep_encoders
from backend.store.figures import RoundRecord
from backend.store.order.head import Publication
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import Agreed, Facts, Failure, LeftOutTasks, SyncRecord, Unread, summarise
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.next_up import show_next_up
from backend.studio.records import Project
from backend.studio.webhooks import sign_webhook
from backend.work.classifiers import Classifiers
from backend.work.queue import RoundQueue
from backend.work.states import PUBLISHING, SYNCING
from backend.work.turn import Turn
from model.errors import DamagedVersionError, InvalidTargetsError
from model.learner.registry import KEPT_VERSIONS
from model.learner.training import do_not_stop

# Seconds until the removal of old publications goes on after it made way for another round.
CLEAN_UP_AGAIN_S = 1.0
# A training may take minutes, in which somebody may disconnect the project.
_CONFIRM_AGAIN_S = 5.0
# A round never follows the round before it more closely by itself.
_SOONEST_S = 1.0

log = logging.getLogger(__name__)


def run_round(
    settings: Settings,
    queue: RoundQueue,
    turn: Turn,
    classifiers: Classifiers,
    should_stop: Callable[[], bool] = do_not_stop,
) -> None:
    """Run one round of the turn's project.

    Args:
        settings: the process's.
        queue: the queue of rounds, which knows whether others wait, and other workers.
        turn: the right to run it.
        classifiers: those that the process keeps in memory.
        should_stop: whether the process wants to end: a training then does, between two steps.

    Raises:
        TrainingCancelledError: `should_stop` said so; nothing was changed.
        TurnLostError: another worker runs a round of the project now; nothing was changed since.
        NotConnectedError: Label Studio does not name this backend as an ML backend of the project.
        ShortlistError: the round cannot go on; what was published before stays in use.
    """
    folder = ProjectFolder(settings.model_dir, turn.project_id)
    with LabelStudioClient(settings) as client:
        Round(RoundContext(settings, folder, client, queue, turn, classifiers, should_stop)).run()


class Round:
    """One round of one project. Each fact is read once, and each step goes through the project's questions."""

    def __init__(self, context: RoundContext) -> None:
        self._context = context
        self._folder = context.folder
        self._turn = context.turn
        self._confirmed_s = -math.inf

    def run(self) -> None:
        """Find out what is due, and do it; see `run_round`."""
        self._turn.step(SYNCING)
        if not self._is_connected():
            return
        self._folder.belong_to(self._project.created_at)
        sign_webhook(self._context.client, self._folder)
        if self._folder.pause.read() is not None:
            # Requests of this time are not lost: resuming the project looks for all changes.
            log.info("event=paused project=%d", self._folder.project_id)
            return
        if self.is_anything_due():
            self._catch_up_past_damage()
        if self._is_connected():
            show_next_up(self._context.client, self._folder)
            self._clean_up()
            self._look_again()

    def _is_connected(self) -> bool:
        """Whether Label Studio names this backend as an ML backend of the project, now or a moment ago."""
        if time.monotonic() - self._confirmed_s > _CONFIRM_AGAIN_S:
            if not confirm_connection(self._context):
                return False
            self._confirmed_s = time.monotonic()
        return True

    @cached_property
    def _project(self) -> Project:
        """The project as Label Studio counts it now."""
        return self._context.client.project(self._turn.project_id)

    @cached_property
    def _settings(self) -> ProjectSettings:
        """The project's own settings."""
        return self._context.settings.for_project(self._folder.connection.read().extra_params)

    @cached_property
    def _published(self) -> PublishedTexts | None:
        """The order in use when the round began."""
        return published_texts(self._folder)

    def is_anything_due(self) -> bool:
        """See from Label Studio's counts, and once a minute from its latest change, whether anything can be due.

        Every annotation asks for a round. Reading 10,000 tasks for each would slow annotators down; a project's counts
        cost one small request.
        """
        last = self._folder.sync_record.read()
        if self._turn.requested.train or last is None or last.identity != self._identity():
            return True
        if self._switches_back(self._project):
            return True
        if not all(plan(facts, time.time()).is_empty for facts in self._facts_since(last)):
            return True
        if has_unseen_changes(self._context):
            return True
        self._turn.check()
        unread = unread_changes(self._context)
        self._folder.sync_record.write(last.counted_anew(self._project.labelled_tasks, unread))
        return False

    def _switches_back(self, project: Project) -> bool:
        """Whether annotators get another order than ours, and the round may change that; see `Turn.may_switch`."""
        is_ours = project.model_version == self._folder.publications.name() and project.sampling == SAMPLING
        return not is_ours and self._may_switch

    @cached_property
    def _may_switch(self) -> bool:
        return self._turn.may_switch()

    def _facts_since(self, last: SyncRecord) -> list[Facts]:
        """The facts of each question, after as many annotations as came or changed since the last full round."""
        came = max(unread_changes(self._context).changes, abs(self._project.annotations - last.annotations))
        return [facts.after(came) for facts in (last.facts, *last.further)]

    def _identity(self, standings: Sequence[Standing] = ()) -> tuple[str, ...]:
        """Everything whose change makes the facts of the last round void.

        Args:
            standings: of a round that ends: its model versions count, not those that a person chose meanwhile.
        """
        used = {one.context.folder.path: one.in_use.model for one in standings if one.in_use.has_model}
        first, *further = (
            str(used.get(folder.path, _current_number(folder)))
            for folder in (self._folder, *self._folder.of_further_questions())
        )
        selection = self._folder.selection.read()
        # An LLM's failure changes nothing by itself.
        chosen_at = selection.at if selection is not None and not selection.has_failed else 0.0
        return (
            *self._asked(),
            str(self._project.tasks),
            first,
            repr(chosen_at),
            *further,
        )

    def _asked(self) -> tuple[str, str]:
        """What is asked of trainings and orders: labeling config, settings and wishes as a digest, and the encoder."""
        digest = order_digest(self._project.label_config, self._settings, read_wishes(self._folder).stamp)
        return digest, self._context.settings.bert_model

    def _catch_up_past_damage(self) -> None:
        """Catch up; if a model version is damaged and set aside, catch up again with the version before it."""
        for _ in range(KEPT_VERSIONS):
            try:
                return self._catch_up()
            except DamagedVersionError as error:
                log.warning("event=version_damaged project=%d reason=%s", self._folder.project_id, error)
        return self._catch_up()

    def _catch_up(self) -> None:
        """Fit, score, order and publish, as far as each is due; a version becomes current after its order is out."""
        questions = self._sync()
        began = time.monotonic()
        supply = partial(supplying, self._context, [synced for synced, _ in questions])
        with supply(is_long=any(is_training_due for _, is_training_due in questions)):
            standings = self._with_choice([self._stand(*question) for question in questions])
        published = self.publish_if_due(standings)
        for standing in standings:
            self._make_current(standing)
        self._remember(standings)
        # The journal has whole orders only: a line for every label would hide them.
        if published is not None and not published.is_live:
            self._folder.rounds.append(_record(standings[0].synced, published, time.monotonic() - began))
        # Figures are measured last: annotators have their order by now, and the facts are kept.
        with supply(is_long=False):
            measure(standings)

    def _sync(self) -> list[tuple[Synced, bool]]:
        """Read the project; returns it for each of its questions, and whether a training is due."""
        read = partial(sync, self._context, self._project, self._settings)
        questions = read()
        if not any(map(self._is_training_due, questions)):
            return [(synced, False) for synced in questions]
        # Changes that left no trace, such as an edited text, are found before they are learned from.
        return [(synced, self._is_training_due(synced)) for synced in read(is_thorough=True)]

    def _is_training_due(self, synced: Synced) -> bool:
        facts = training_facts(self._context.of_question(synced.place), synced)
        return plan(replace(facts, labels_since_failure=self._since_failure(synced.place)), time.time()).train

    def _since_failure(self, place: int) -> int | None:
        """How many labels came since a question's last training failed; None if it did not, or was asked otherwise.

        An order may be due with every label. A training that failed, which may take minutes, is not due with it.
        """
        last = self._folder.sync_record.read()
        if last is None or last.identity[:2] != self._asked():
            return None
        facts = self._facts_since(last)
        return facts[place].labels_since_failure if place < len(facts) else None

    def _stand(self, synced: Synced, is_training_due: bool) -> Standing:
        """Fit the classifier of a question."""
        context = self._context.of_question(synced.place)
        version, failure = try_fit(context, synced, is_due=is_training_due)
        named = classify_by_names(context, synced) if version is None else None
        in_use = InUse(version, named)
        since_failure = None if is_training_due else self._since_failure(synced.place)
        # Labels of which nothing can be learned cost no time: the next label may be of another class.
        if failure is not None and not isinstance(failure, InvalidTargetsError):
            since_failure = 0
        return Standing(self.llm_context(synced, in_use), in_use, failure=failure, labels_since_failure=since_failure)

    def _with_choice(self, standings: Sequence[Standing]) -> list[Standing]:
        """Let an LLM choose for the first question that decides the order; other questions take over its choice."""
        leading, *others = asked_for(standings)
        llm = replace(leading.llm, also=tuple(standing.synced.task for standing in others))
        chosen = choose(llm) if leading.synced.task.is_learned else chosen_for(llm, None)
        return [
            replace(standing, llm=llm, selection=chosen)
            if standing is leading
            else replace(standing, selection=chosen_for(standing.llm, chosen), leads=False)
            for standing in standings
        ]

    def llm_context(self, synced: Synced, in_use: InUse) -> LLMContext:
        """Return the objects with which an LLM is asked."""
        context = self._context.of_question(synced.place)
        llms = partial(open_llms, context.settings, context.folder, context.should_stop)
        return LLMContext(context, synced, in_use.has_model, embedder(context, None), llms)

    def publish_if_due(self, standings: Sequence[Standing]) -> Publication | None:
        """Publish a new order if one is due for any question; otherwise see that annotators get the one there is.

        Args:
            standings: the project's questions.

        Returns:
            The new order's head; None if none was published.
        """
        if not self._is_connected():
            return None
        synced, client = standings[0].synced, self._context.client
        why = _main_reason([plan(self._facts(standing), time.time()).why for standing in standings])
        stored = client.prediction_counts(self._folder.project_id)
        if not why and self._published is not None and stored.get(self._published.head.name):
            if self._switches_back(synced.project):
                self._turn.check()
                switch(client, self._folder, synced.project, self._published.head.name)
            return None
        if not synced.pool:
            return None
        reason = (why or "predictions are gone").replace(" ", "_")
        log.info("event=ordering project=%d reason=%s", self._folder.project_id, reason)
        ordered = make_order(standings, next_number(self._folder, stored))
        return self._publish(
            ordered.made_live(live_queue(synced.settings, synced.people)) if why == NEW_LABELS else ordered
        )

    def _facts(self, standing: Standing) -> Facts:
        facts = training_facts(standing.context, standing.synced)
        published = self._published and self._published.of_question(standing.synced.place)
        return with_order(facts, standing, published)

    def _publish(self, ordered: Ordered) -> Publication:
        self._turn.step(PUBLISHING)
        head = publish(self._context.client, self._folder, ordered, self._turn.check, self._turn.progress)
        self._published = PublishedTexts(head, ordered.places.task_ids_N, ordered.places.text_digests_N)
        return head

    def _make_current(self, standing: Standing) -> None:
        """Point a question to the version that made its order."""
        context, version = standing.context, standing.in_use.version
        registry = context.folder.registry
        # A person may have rolled back or promoted a version while the round ran: only a new version is pointed to.
        if version is not None and registry.is_new(version.number):
            self._turn.check()
            registry.point(version.number)
            encoders = [context.settings.bert_model, source_of(context, version).name]
            keep_encoders(context.folder.embeddings_folder, encoders)

    def _remember(self, standings: Sequence[Standing]) -> None:
        """Keep the project's facts, by which the next round sees cheaply whether anything is due."""
        synced, in_use = standings[0].synced, standings[0].in_use
        first, *further = (self._facts_to_keep(standing) for standing in standings)
        agreement = in_use.agreement
        last = self._folder.sync_record.read()
        self._turn.check()
        left_out = summarise(
            (left for standing in standings for left in standing.synced.left_out), standings[0].synced.unreadable
        )
        _warn_of(left_out, self._folder.project_id)
        self._folder.label_config.write(synced.project.label_config)
        source = self._context.settings.llm_name
        checks = [checks_so_far(standing.context.folder, standing.synced, source) for standing in standings]
        names = Agreed(agreement.agreed, agreement.of) if agreement else last.names if last else None
        self._folder.sync_record.write(
            SyncRecord(
                identity=self._identity(standings),
                annotations=synced.project.annotations,
                unread=Unread(),
                facts=first,
                labels=len(synced.targets),
                left=len(synced.pool),
                has_llm_a_say=any(standing.leads and standing.llm.has_a_say for standing in standings),
                failure=_failure(standings, last),
                llm_checks=checks[0],
                further_llm_checks=tuple(checks[1:]),
                drafts=figures_so_far(self._folder, synced, source),
                names=names,
                further=tuple(further),
                labelled_tasks=synced.project.labelled_tasks,
                left_out=left_out,
                questions=tuple(standing.synced.task.control for standing in standings),
                no_text=synced.no_text,
                pace=synced.pace,
                unlearned=tuple(one.synced.task.control for one in standings if not one.synced.task.is_learned),
                applied=len(synced.applied),
            )
        )

    def _facts_to_keep(self, standing: Standing) -> Facts:
        return replace(self._facts(standing), asked_to_train=False, labels_since_failure=standing.labels_since_failure)

    def _clean_up(self) -> None:
        """Remove predictions of earlier publications, unless there are none or a round waits for the worker."""
        if len(self._folder.started_publications.read()) <= KEPT_PUBLICATIONS:
            return
        self._turn.step(PUBLISHING)
        if not clean_up(self._context.client, self._folder, self._context.may_linger, self._turn.progress):
            self._turn.come_back(CLEAN_UP_AGAIN_S)

    def _look_again(self) -> None:
        """Request another round for the time at which time alone makes one due."""
        record, now = self._folder.sync_record.read(), time.time()
        every = (record.facts, *record.further) if record is not None else ()
        waits_s = [wait_s for facts in every if (wait_s := plan(facts, now).look_again_after_s) is not None]
        if waits_s:
            self._turn.come_back(max(_SOONEST_S, min(waits_s)))


def _current_number(folder: ProjectFolder) -> int:
    current = folder.registry.current()
    return current.number if current else 0


def _failure(standings: Sequence[Standing], last: SyncRecord | None) -> Failure | None:
    """Why a training failed, in this round or in an earlier one that no training followed; None if none did."""
    failed = next((standing.failure for standing in standings if standing.failure), None)
    if failed is not None:
        return Failure(failed.code, str(failed))
    is_kept = any(standing.labels_since_failure is not None for standing in standings)
    return last.failure if last is not None and is_kept else None


def _main_reason(reasons: Sequence[str]) -> str:
    """Return why a new order is due, by each question's reason; any other reason comes before `new labels`."""
    given = [reason for reason in reasons if reason]
    return next((reason for reason in given if reason != NEW_LABELS), given[0] if given else "")


def _warn_of(left_out: Sequence[LeftOutTasks], project_id: int) -> None:
    for left in left_out:
        first = ",".join(map(str, left.first))
        log.warning("event=left_out project=%d tasks=%d first=%s reason=%s", project_id, left.tasks, first, left.reason)


def _record(synced: Synced, published: Publication, seconds: float) -> RoundRecord:
    return RoundRecord(
        at=time.time(),
        labels=len(synced.targets),
        model=published.model,
        publication=published.name,
        strategy=published.strategy,
        left=len(synced.pool),
        seconds=round(seconds, 2),
    )
