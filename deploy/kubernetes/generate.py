#!/usr/bin/env python3
"""Writes base/prometheusrule.yaml and base/dashboards.yaml from alerts/rules and dashboards, which kustomize may not
read from here. With --check writes nothing and fails where they differ."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEAD = "# Written by deploy/kubernetes/generate.py; change what it reads.\n"


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line if line.strip() else line for line in text.splitlines(keepends=True))


def rules() -> str:
    groups = ""
    for file in sorted((ROOT / "alerts/rules").glob("*.yml")):
        before, found, after = file.read_text().partition("groups:\n")
        if not found or any(line and not line.startswith("#") for line in before.splitlines()):
            sys.exit(f"{file}: expected comments, then groups:")
        groups += indented(after, 2)
    return f"""{HEAD}apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: bingo
  labels: {{app.kubernetes.io/name: bingo-exporter}}
spec:
  groups:
{groups}"""


def dashboards() -> str:
    maps = [
        f"""apiVersion: v1
kind: ConfigMap
metadata:
  name: dashboard-{file.stem}
  # For the sidecar of Grafana's Helm charts: it loads what has this label, into this folder.
  labels: {{grafana_dashboard: "1"}}
  annotations: {{grafana_folder: bingo}}
data:
  {file.name}: |
{indented(file.read_text(), 4)}"""
        for file in sorted((ROOT / "dashboards").glob("*.json"))
    ]
    return HEAD + "---\n".join(maps)


def main() -> None:
    listed = (HERE / "base/kustomization.yaml").read_text()
    for name, text in (("prometheusrule.yaml", rules()), ("dashboards.yaml", dashboards())):
        file = HERE / "base" / name
        if text == HEAD:
            continue
        if f"- {name}\n" not in listed:
            sys.exit(f"base/kustomization.yaml does not list {name}")
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text() != text:
                sys.exit(f"{file.relative_to(ROOT)} is out of date: run deploy/kubernetes/generate.py")
        else:
            file.write_text(text)


main()
