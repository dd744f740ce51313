// The same service in Node: POST one comparison, or NDJSON, into the tables of migrations/, acknowledged after commit.
// One statement a request (texts and comparison together), prepared, a pool of 16: what a careful Node engineer writes.
// usage: node server.js PORT CONNINFO PROJECT_ID
import { createHash, randomUUID } from "node:crypto";
import Fastify from "fastify";
import pg from "pg";

const [port, connectionString, project] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString, max: 16 });
const app = Fastify({ bodyLimit: 64 << 20 });
const projectBytes = Buffer.from(project.replaceAll("-", ""), "hex");

function derive(tag, parent, ...content) {
  const hash = createHash("sha256").update(tag).update(parent);
  for (const part of content) hash.update(part);
  const id = hash.digest().subarray(0, 16);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id;
}

const uuid = (bytes) => {
  const h = bytes.toString("hex");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
};

const side = {
  type: "object",
  required: ["text"],
  properties: { text: { type: "string", minLength: 1 }, policy: { type: "string" } },
};
const body = {
  type: "object",
  required: ["annotator", "prompt", "a", "b", "outcome"],
  properties: {
    id: { type: "string" },
    annotator: { type: "string", minLength: 1 },
    prompt: { type: "string" },
    a: side,
    b: side,
    outcome: { enum: ["a", "b", "tie", "both_bad", "skip"] },
  },
};

function row(c) {
  const item = derive("I", projectBytes, "T", c.prompt);
  const response = (r) => uuid(derive("R", item, r.policy ?? "", "\0", r.text));
  return [
    c.id ?? randomUUID(), uuid(derive("A", projectBytes, c.annotator)), c.annotator, uuid(item), c.prompt,
    response(c.a), c.a.text, c.a.policy ?? null, response(c.b), c.b.text, c.b.policy ?? null, c.outcome,
    createHash("sha256").update(JSON.stringify(c)).digest().subarray(0, 16),
  ];
}

const types = [
  "uuid", "uuid", "text", "uuid", "text", "uuid", "text", "text", "uuid", "text", "text", "outcome", "bytea",
];
const names = ["id", "annotator", "name", "item", "prompt", "ra", "ta", "pa", "rb", "tb", "pb", "outcome", "digest"];
const unnest = `unnest(${types.map((t, i) => `$${i + 1}::${t}[]`).join(",")}) AS c(${names.join(",")})`;
const insert = {
  name: "insert",
  text: `WITH c AS (SELECT * FROM ${unnest}),
    p AS (INSERT INTO annotator (id, project_id, name) SELECT DISTINCT annotator, '${project}'::uuid, name FROM c
          ORDER BY 1 ON CONFLICT DO NOTHING),
    i AS (INSERT INTO item (id, project_id, prompt) SELECT DISTINCT item, '${project}'::uuid, prompt FROM c
          ORDER BY 1 ON CONFLICT DO NOTHING),
    r AS (INSERT INTO response (id, item_id, text, policy)
          SELECT DISTINCT * FROM (SELECT ra, item, ta, pa FROM c UNION SELECT rb, item, tb, pb FROM c) s
          ORDER BY 1 ON CONFLICT DO NOTHING)
    INSERT INTO comparison (id, project_id, annotator_id, item_id, response_a, response_b, outcome, digest)
    SELECT id, '${project}'::uuid, annotator, item, ra, rb, outcome, digest FROM c ORDER BY 1
    ON CONFLICT DO NOTHING RETURNING id`,
};

async function store(rows) {
  const columns = names.map((_, i) => rows.map((r) => r[i]));
  return (await pool.query({ ...insert, values: columns })).rowCount;
}

app.addContentTypeParser("application/x-ndjson", { parseAs: "string" }, (request, text, done) => done(null, text));

app.post("/comparisons", {
  schema: { body },
  handler: async (request, reply) => {
    const r = row(request.body);
    const stored = await store([r]);
    reply.code(stored ? 201 : 200);
    return { id: r[0] };
  },
});

app.post("/batches", async (request, reply) => {
  const lines = request.body.split("\n");
  const rows = [];
  for (const line of lines) if (line) rows.push(row(JSON.parse(line)));
  const accepted = await store(rows);
  reply.code(201);
  return { accepted, duplicate: rows.length - accepted, rejected: 0 };
});

app.listen({ port: Number(port), host: "127.0.0.1" });
