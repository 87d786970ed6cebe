"""How large the files of a plan are, as their servers say it, without fetching them."""

from __future__ import annotations

from dataclasses import replace

from zoo.errors import DownloadError
from zoo.registry.found import Found
from zoo.registry.plan import FetchPlan, PlannedFile
from zoo.registry.storage import WebFiles
from zoo.registry.storage.requesting import announced_size, ask, is_offline, new_session
from zoo.registry.storage.trouble import refusal

__all__ = ["measured"]


def measured(plan: FetchPlan, found: Found) -> tuple[FetchPlan, list[str]]:
    """The plan with sizes and addresses as far as they can be had, and what stands in the way."""
    troubles: list[str] = []
    if is_offline():
        return plan, troubles
    files = tuple(_measured(file, found, troubles) for file in plan.files)
    return replace(plan, files=files), troubles


def _measured(file: PlannedFile, found: Found, troubles: list[str]) -> PlannedFile:
    source = found.source
    headers = source.headers if isinstance(source, WebFiles) else lambda url: {}
    if isinstance(source, WebFiles) and not file.is_elsewhere:
        url = source.url("" if file.shared else found.name, file.name)
        file = replace(file, urls=(url,)) if url else file
    if file.size is not None or file.archives or not file.urls:
        return file
    problem = ""
    for url in file.urls:
        try:
            with ask(url, new_session(), headers=headers(url), checked=True) as response:
                if response.status_code == 200:
                    return replace(file, size=announced_size(response))
                raise refusal(url, response)
        except DownloadError as error:
            problem = problem or str(error)
    troubles.append(f"{file.name} would not come: {problem}")
    return file
