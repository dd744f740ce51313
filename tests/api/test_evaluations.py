"""Asking for evaluations from outside. Jobs do not run here; tests/cli/test_evaluate.py runs them."""
from service import problem
from test_policies import PROJECT, models, ready  # noqa: F401 (models is a fixture)

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
