"""A client that openapi-generator makes for TypeScript: it compiles with all checks, and does the main job.

Needs java, node and npm.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"
COMPILER = "typescript@5.9"
CHECKS = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "commonjs"]
JOB = """
import { Configuration, ResponseError, SelectionsApi } from "./index";
import { SelectionFromJSON, SelectionRequestFromJSON } from "./index";
declare const process: { env: Record<string, string> };

async function main(): Promise<void> {
  const { EVOSELECT_URL: basePath, EVOSELECT_API_KEY: accessToken } = process.env;
  const api = new SelectionsApi(new Configuration({ basePath, accessToken }));
  const rows = Array.from({ length: 12 }, (_, n) => ({ prompt: `${n} + 1?`, completion: `${n + 1}` }));
  const asked = SelectionRequestFromJSON({ target: rows.slice(0, 2), candidates: rows.slice(2), k: 3 });
  const made = await api.selectionsCreateRaw({ selectionRequest: asked });
  let job = SelectionFromJSON(await made.raw.json()); // its type is that of 200, of an estimate; this is 202
  for (let times = 0; times < 20 && !job.done; times++)
    job = await api.selectionsRetrieve({ jobId: job.id, wait: 15 });
  job = await api.selectionsUpdate({ jobId: job.id, labelChange: { name: "typed" } });
  const page = await api.selectionsItems({ jobId: job.id });
  const report = await api.selectionsReport({ jobId: job.id });
  const other = `${job.id.slice(0, -1)}${job.id.endsWith("0") ? "1" : "0"}`; // an id that nobody has
  const missing = await api.selectionsRetrieve({ jobId: other }).then(
    () => 200, (error: unknown) => (error as ResponseError).response.status);
  console.log(JSON.stringify({ status: job.status, name: job.name, ranks: page.data.map((item) => item.rank),
    targets: report.targets.total, missing }));
}

void main();
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the scripts that the compiler made of client and job."""
    for tool in ("java", "node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine: openapi-generator needs java, its client node and npm")
    folder = tmp_path_factory.mktemp("typescript")
    generator = Path(sys.executable).with_name("openapi-generator-cli")
    made = ["-i", str(DOCUMENT), "-g", "typescript-fetch", "-o", str(folder), "--skip-validate-spec"]
    subprocess.run([generator, "generate", *made], check=True, capture_output=True)
    (folder / "job.ts").write_text(JOB)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), COMPILER]
    subprocess.run(install, check=True, capture_output=True)
    compiler = folder / "node_modules" / ".bin" / "tsc"
    done = subprocess.run(
        [compiler, *CHECKS, "--outDir", folder / "made", folder / "job.ts"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder / "made"


def test_it_does_the_main_job(compiled: Path) -> None:
    done = subprocess.run(
        ["node", compiled / "job.js"], check=False, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "status": "completed",
        "name": "typed",
        "ranks": [1, 2, 3],
        "targets": 2,
        "missing": 404,
    }
