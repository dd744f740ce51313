"""Asking for evaluations from outside. Jobs do not run here; tests/cli/test_evaluate.py runs them."""
import uuid

from service import problem
from test_policies import PROJECT, models, ready, sql  # noqa: F401 (models is a fixture)

EVALUATIONS = PROJECT + "/evaluations"
JOBS = PROJECT + "/jobs"


def ask(shared, project, **options):
    return shared.post(JOBS, {"kind": "evaluate", "options": options}, project=project)


def test_without_groups_there_is_nobody_to_ask(shared, project, models):  # noqa: F811
    ready(shared, project, models, "base")
    ready(shared, project, models, "tuned", parent="base")
    problem(ask(shared, project, policy="tuned"), 409, "not_ready")
    problem(ask(shared, project, policy="none"), 422, "unknown_reference", "/options/policy")
    problem(ask(shared, project, policy="base"), 422, "missing_member", "/options/against")
    problem(ask(shared, project, policy="base", against="base"), 422, "invalid_value", "/options/against")
    problem(ask(shared, project, policy="tuned", temperature=0), 422, "invalid_value", "/options/temperature")


def test_a_project_without_evaluations(shared, project):
    assert shared.get(EVALUATIONS, project=project).json() == {"items": [], "next_cursor": None}
    problem(shared.get(EVALUATIONS + "/{evaluation}", project=project,
                       evaluation="00000000-0000-7000-8000-000000000001"), 404, "not_found")
    document = shared.get(PROJECT + "/win-rates", project=project).json()
    assert document["evaluations"] == [] and document["history"] == []


def test_an_evaluation_that_waits(shared, project, models):  # noqa: F811
    base = ready(shared, project, models, "base")
    tuned = ready(shared, project, models, "tuned", parent="base")
    job, evaluation = str(uuid.uuid4()), str(uuid.uuid4())
    inside = sql(shared, "SELECT project_id FROM policy WHERE id = %s", base["id"])[0][0]
    sql(shared, "INSERT INTO job (id, project_id, kind) VALUES (%s, %s, 'evaluate')", job, inside)
    sql(shared, "INSERT INTO evaluation (id, project_id, job_id, policy_id, against_id) VALUES (%s, %s, %s, %s, %s)",
        evaluation, inside, job, tuned["id"], base["id"])
    body = shared.get(EVALUATIONS + "/{evaluation}", project=project, evaluation=evaluation).json()
    assert (body["id"], body["job"]) == (evaluation, job)
    assert [found["id"] for found in shared.get(EVALUATIONS, project=project).json()["items"]] == [evaluation]
