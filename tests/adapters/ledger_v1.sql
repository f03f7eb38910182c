CREATE SCHEMA hgaurora;
CREATE TABLE hgaurora.deployment (
    id text NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    way text,
    outcome text NOT NULL,
    node text NOT NULL,
    branch text NOT NULL,
    phase text NOT NULL,
    author text NOT NULL,
    description text NOT NULL,
    tags text[] NOT NULL,
    change_request text,
    from_node text,
    from_branch text,
    heads_before text[] NOT NULL,
    heads_after text[],
    asked_by text NOT NULL,
    pusher text,
    host text NOT NULL,
    pid integer NOT NULL,
    tool_version text NOT NULL,
    started timestamp with time zone NOT NULL,
    ended timestamp with time zone,
    error text,
    reverts text[] NOT NULL,
    plan text NOT NULL
);
CREATE TABLE hgaurora.environment (
    one boolean DEFAULT true NOT NULL,
    uuid uuid NOT NULL,
    name text NOT NULL,
    cluster_resource_id text,
    database text NOT NULL,
    epoch uuid NOT NULL,
    ledger_version integer NOT NULL,
    node text,
    branch text,
    deployed_by text,
    since timestamp with time zone,
    versions text[] DEFAULT '{}'::text[] NOT NULL,
    tip_seq bigint NOT NULL,
    tip_hash text NOT NULL,
    CONSTRAINT environment_one_check CHECK (one)
)
WITH (fillfactor='50');
CREATE TABLE hgaurora.event (
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    deployment text,
    kind text NOT NULL,
    payload text NOT NULL,
    hash text NOT NULL,
    carried boolean DEFAULT false NOT NULL,
    delivered_at timestamp with time zone
);
CREATE TABLE hgaurora.script (
    hash text NOT NULL,
    content bytea NOT NULL,
    event bigint NOT NULL
);
CREATE TABLE hgaurora.statement (
    id bigint NOT NULL,
    deployment text NOT NULL,
    revision text NOT NULL,
    direction text NOT NULL,
    ordinal integer NOT NULL,
    sql_hash text NOT NULL,
    params_hash text NOT NULL,
    sql text NOT NULL,
    state text NOT NULL,
    result text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    closed boolean DEFAULT false NOT NULL,
    CONSTRAINT statement_state_check CHECK ((state = ANY (ARRAY['intent'::text, 'failed'::text, 'done'::text])))
);
CREATE SEQUENCE hgaurora.statement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE hgaurora.statement_id_seq OWNED BY hgaurora.statement.id;
CREATE TABLE hgaurora.step (
    id bigint NOT NULL,
    deployment text NOT NULL,
    ordinal integer NOT NULL,
    revision text NOT NULL,
    direction text NOT NULL,
    path text NOT NULL,
    message text NOT NULL,
    parents text[] NOT NULL,
    depends_on text[] NOT NULL,
    branch_labels text[] NOT NULL,
    raw text NOT NULL,
    normal text NOT NULL,
    normal_version text NOT NULL,
    irreversible boolean NOT NULL,
    node text NOT NULL,
    snapshot text,
    versions text[] NOT NULL,
    statements integer NOT NULL,
    replayed integer NOT NULL,
    started timestamp with time zone NOT NULL,
    ended timestamp with time zone NOT NULL,
    carried boolean DEFAULT false NOT NULL,
    CONSTRAINT step_direction_check CHECK ((direction = ANY (ARRAY['up'::text, 'down'::text])))
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.customers (
    id integer
);
CREATE TABLE public.orders (
    id integer
);
ALTER TABLE ONLY hgaurora.statement ALTER COLUMN id SET DEFAULT nextval('hgaurora.statement_id_seq'::regclass);
INSERT INTO hgaurora.deployment VALUES ('dev-1', 1, 'deploy', NULL, 'ok', '914c34120da7d3f4f35e2bce90db6ac289a01613', 'default', 'draft', 'ana', 'customers', '{}', NULL, NULL, NULL, '{}', '{0001}', 'ana', NULL, 'vm', 17760, '0.1.0', '2026-11-21 07:25:26.90292+00', '2026-11-21 07:25:26.951876+00', NULL, '{}', '{"environment":"dev","from":{"branch":null,"epoch":null,"heads":[],"node":null,"versions":[]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0001","node":"914c34120da7d3f4f35e2bce90db6ac289a01613","normal":"3673ec20bc7a92f5ace1ceaa31ac7e900c5d3984cec74761088f94406273c65c","parents":[],"path":"versions/0001_customers.py","raw":"4fbf911122db15fd3993c8449050d5491bb81036582029ffa66f220d2c017fba","recorded":false,"revision":"0001","verb":"run","versions":["0001"]}],"to":{"branch":"default","heads":["0001"],"node":"914c34120da7d3f4f35e2bce90db6ac289a01613"},"way":null}');
INSERT INTO hgaurora.deployment VALUES ('dev-2', 2, 'deploy', NULL, 'ok', '4d4fd3f02c8e469b36837488ee209fd3070575a4', 'default', 'draft', 'ana', 'orders', '{}', NULL, '914c34120da7d3f4f35e2bce90db6ac289a01613', 'default', '{0001}', '{0002}', 'ana', NULL, 'vm', 17760, '0.1.0', '2026-11-21 07:25:27.489208+00', '2026-11-21 07:25:27.503976+00', NULL, '{}', '{"environment":"dev","from":{"branch":"default","epoch":"ddbdef82-bfc6-49f0-bcb1-0cdbfdec2407","heads":["0001"],"node":"914c34120da7d3f4f35e2bce90db6ac289a01613","versions":["0001"]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0002","node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","normal":"2420fb64be69d9ca56a67221bcebd809e9868b9813b11d9be81564d8dc453d71","parents":["0001"],"path":"versions/0002_orders.py","raw":"ea36f24a1d0316b806ae9be0a7f8c84da1b0de8b005b589280b8d665f84a1753","recorded":false,"revision":"0002","verb":"run","versions":["0002"]}],"to":{"branch":"default","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4"},"way":null}');
INSERT INTO hgaurora.deployment VALUES ('dev-3', 3, 'deploy', NULL, 'ok', '1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94', 'default', 'draft', 'ana', 'net', '{}', NULL, '4d4fd3f02c8e469b36837488ee209fd3070575a4', 'default', '{0002}', '{0003}', 'ana', NULL, 'vm', 17760, '0.1.0', '2026-11-21 07:25:28.174225+00', '2026-11-21 07:25:28.190875+00', NULL, '{}', '{"environment":"dev","from":{"branch":"default","epoch":"7f5612d1-9134-411d-973e-81b439349e36","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","versions":["0002"]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","recorded":false,"revision":"0003","verb":"run","versions":["0003"]}],"to":{"branch":"default","heads":["0003"],"node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94"},"way":null}');
INSERT INTO hgaurora.deployment VALUES ('dev-4', 4, 'revert', 'downgrade', 'ok', '4d4fd3f02c8e469b36837488ee209fd3070575a4', 'default', 'draft', 'ana', 'orders', '{}', NULL, '1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94', 'default', '{0003}', '{0002}', 'ana', NULL, 'vm', 17760, '0.1.0', '2026-11-21 07:25:28.733088+00', '2026-11-21 07:25:28.747674+00', NULL, '{dev-3}', '{"environment":"dev","from":{"branch":"default","epoch":"0dcb7b64-37d3-443a-b2b2-2a1a8cd69469","heads":["0003"],"node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","versions":["0003"]},"kind":"revert","notes":[],"resumes":null,"reverts":["dev-3"],"steps":[{"branch_labels":[],"depends_on":[],"direction":"down","irreversible":false,"loses":["may change data (SQL)"],"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","recorded":true,"revision":"0003","verb":"down","versions":["0002"]}],"to":{"branch":"default","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4"},"way":"downgrade"}');
INSERT INTO hgaurora.environment VALUES (true, '02b42402-f315-4671-b1f9-9508c8928194', 'dev', NULL, 'e_v1', 'c2266baa-e104-4bff-a4e3-2fa654ccc7ac', 1, '4d4fd3f02c8e469b36837488ee209fd3070575a4', 'default', 'dev-4', '2026-11-21 07:25:28.747467+00', '{0002}', 13, 'c1a061471d561d7fd5da387021795214ef1cbd82664527779c3a24f10aa1a182');
INSERT INTO hgaurora.event VALUES (1, '2026-11-21 07:25:26.919697+00', NULL, 'ledger-created', '{"environment":"dev","uuid":"02b42402-f315-4671-b1f9-9508c8928194","version":1}', '57e65948e8a3c171461bae55bffc133a3324e7282ad51134030bfeabb9818357', false, '2026-11-21 07:25:26.959948+00');
INSERT INTO hgaurora.event VALUES (2, '2026-11-21 07:25:26.92695+00', 'dev-1', 'deployment-started', '{"author":"ana","branch":"default","change_request":null,"description":"customers","from_branch":null,"from_node":null,"heads_before":[],"host":"vm","kind":"deploy","node":"914c34120da7d3f4f35e2bce90db6ac289a01613","phase":"draft","pid":17760,"plan":{"environment":"dev","from":{"branch":null,"epoch":null,"heads":[],"node":null,"versions":[]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0001","node":"914c34120da7d3f4f35e2bce90db6ac289a01613","normal":"3673ec20bc7a92f5ace1ceaa31ac7e900c5d3984cec74761088f94406273c65c","parents":[],"path":"versions/0001_customers.py","raw":"4fbf911122db15fd3993c8449050d5491bb81036582029ffa66f220d2c017fba","recorded":false,"revision":"0001","verb":"run","versions":["0001"]}],"to":{"branch":"default","heads":["0001"],"node":"914c34120da7d3f4f35e2bce90db6ac289a01613"},"way":null},"pusher":null,"reverts":[],"tags":[],"tool":"0.1.0","user":"ana","way":null}', '123c1de6af0c901a16cff13b27a841bf6790d030fef29a7e6c1982fe0d7a8714', false, '2026-11-21 07:25:26.959969+00');
INSERT INTO hgaurora.event VALUES (3, '2026-11-21 07:25:26.941885+00', 'dev-1', 'step', '{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"message":"0001","node":"914c34120da7d3f4f35e2bce90db6ac289a01613","normal":"3673ec20bc7a92f5ace1ceaa31ac7e900c5d3984cec74761088f94406273c65c","normal_version":"1","ordinal":1,"parents":[],"path":"versions/0001_customers.py","raw":"4fbf911122db15fd3993c8449050d5491bb81036582029ffa66f220d2c017fba","replayed":0,"revision":"0001","snapshot":null,"statements":1,"versions":["0001"]}', '1b697a938605f7f1f57dcbb6c9ba47250c966745bf66e815a1154e871dc03c68', false, '2026-11-21 07:25:26.959975+00');
INSERT INTO hgaurora.event VALUES (4, '2026-11-21 07:25:26.952238+00', 'dev-1', 'deployment-finished', '{"error":null,"heads_after":["0001"],"node":"914c34120da7d3f4f35e2bce90db6ac289a01613","outcome":"ok"}', '663463f8c292836be47c9128d76b2c36c369c31d2fdbf11d93abc3fd3b5c2fc0', false, '2026-11-21 07:25:26.959979+00');
INSERT INTO hgaurora.event VALUES (5, '2026-11-21 07:25:27.491464+00', 'dev-2', 'deployment-started', '{"author":"ana","branch":"default","change_request":null,"description":"orders","from_branch":"default","from_node":"914c34120da7d3f4f35e2bce90db6ac289a01613","heads_before":["0001"],"host":"vm","kind":"deploy","node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","phase":"draft","pid":17760,"plan":{"environment":"dev","from":{"branch":"default","epoch":"ddbdef82-bfc6-49f0-bcb1-0cdbfdec2407","heads":["0001"],"node":"914c34120da7d3f4f35e2bce90db6ac289a01613","versions":["0001"]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0002","node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","normal":"2420fb64be69d9ca56a67221bcebd809e9868b9813b11d9be81564d8dc453d71","parents":["0001"],"path":"versions/0002_orders.py","raw":"ea36f24a1d0316b806ae9be0a7f8c84da1b0de8b005b589280b8d665f84a1753","recorded":false,"revision":"0002","verb":"run","versions":["0002"]}],"to":{"branch":"default","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4"},"way":null},"pusher":null,"reverts":[],"tags":[],"tool":"0.1.0","user":"ana","way":null}', '750e190eaabb80fa0845461e51e73cf9a2a826810775045535397d40cc1da82e', false, '2026-11-21 07:25:27.505758+00');
INSERT INTO hgaurora.event VALUES (7, '2026-11-21 07:25:27.504247+00', 'dev-2', 'deployment-finished', '{"error":null,"heads_after":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","outcome":"ok"}', '3001e2868eb8795227961d68bbb252f057b7991945927c04457b94502ed7c673', false, '2026-11-21 07:25:27.505876+00');
INSERT INTO hgaurora.event VALUES (6, '2026-11-21 07:25:27.499822+00', 'dev-2', 'step', '{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"message":"0002","node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","normal":"2420fb64be69d9ca56a67221bcebd809e9868b9813b11d9be81564d8dc453d71","normal_version":"1","ordinal":1,"parents":["0001"],"path":"versions/0002_orders.py","raw":"ea36f24a1d0316b806ae9be0a7f8c84da1b0de8b005b589280b8d665f84a1753","replayed":0,"revision":"0002","snapshot":null,"statements":1,"versions":["0002"]}', '636fff202c8657af260bd5c1928dd9b277868099843798defd2beaa8d15ddf9d', false, '2026-11-21 07:25:27.505777+00');
INSERT INTO hgaurora.event VALUES (8, '2026-11-21 07:25:28.176463+00', 'dev-3', 'deployment-started', '{"author":"ana","branch":"default","change_request":null,"description":"net","from_branch":"default","from_node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","heads_before":["0002"],"host":"vm","kind":"deploy","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","phase":"draft","pid":17760,"plan":{"environment":"dev","from":{"branch":"default","epoch":"7f5612d1-9134-411d-973e-81b439349e36","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","versions":["0002"]},"kind":"deploy","notes":[],"resumes":null,"reverts":[],"steps":[{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"loses":[],"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","recorded":false,"revision":"0003","verb":"run","versions":["0003"]}],"to":{"branch":"default","heads":["0003"],"node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94"},"way":null},"pusher":null,"reverts":[],"tags":[],"tool":"0.1.0","user":"ana","way":null}', '8a8148d23d435144a1b2dc044d1e500d007470e64572b7b0bbe96bf7a1cf5abf', false, '2026-11-21 07:25:28.19541+00');
INSERT INTO hgaurora.event VALUES (9, '2026-11-21 07:25:28.185326+00', 'dev-3', 'step', '{"branch_labels":[],"depends_on":[],"direction":"up","irreversible":false,"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","normal_version":"1","ordinal":1,"parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","replayed":0,"revision":"0003","snapshot":null,"statements":1,"versions":["0003"]}', 'fa80536675250463f1df928851d9441537424218042cc1e4e5fa9440686beead', false, '2026-11-21 07:25:28.195433+00');
INSERT INTO hgaurora.event VALUES (10, '2026-11-21 07:25:28.191318+00', 'dev-3', 'deployment-finished', '{"error":null,"heads_after":["0003"],"node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","outcome":"ok"}', '94df0f6cc0f2209b34d2e826001fccaa08fad423b1aeaaeecd5b0e38e1c2fd48', false, '2026-11-21 07:25:28.195439+00');
INSERT INTO hgaurora.event VALUES (12, '2026-11-21 07:25:28.743679+00', 'dev-4', 'step', '{"branch_labels":[],"depends_on":[],"direction":"down","irreversible":false,"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","normal_version":"1","ordinal":1,"parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","replayed":0,"revision":"0003","snapshot":null,"statements":1,"versions":["0002"]}', '72677fea12576fc38ae2353126d15f9592462fad5177f9bef9810097dbffcc81', false, '2026-11-21 07:25:28.749673+00');
INSERT INTO hgaurora.event VALUES (13, '2026-11-21 07:25:28.74813+00', 'dev-4', 'deployment-finished', '{"error":null,"heads_after":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","outcome":"ok"}', 'c1a061471d561d7fd5da387021795214ef1cbd82664527779c3a24f10aa1a182', false, '2026-11-21 07:25:28.749678+00');
INSERT INTO hgaurora.event VALUES (11, '2026-11-21 07:25:28.735924+00', 'dev-4', 'deployment-started', '{"author":"ana","branch":"default","change_request":null,"description":"orders","from_branch":"default","from_node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","heads_before":["0003"],"host":"vm","kind":"revert","node":"4d4fd3f02c8e469b36837488ee209fd3070575a4","phase":"draft","pid":17760,"plan":{"environment":"dev","from":{"branch":"default","epoch":"0dcb7b64-37d3-443a-b2b2-2a1a8cd69469","heads":["0003"],"node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","versions":["0003"]},"kind":"revert","notes":[],"resumes":null,"reverts":["dev-3"],"steps":[{"branch_labels":[],"depends_on":[],"direction":"down","irreversible":false,"loses":["may change data (SQL)"],"message":"0003","node":"1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94","normal":"c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189","parents":["0002"],"path":"versions/0003_net.py","raw":"9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb","recorded":true,"revision":"0003","verb":"down","versions":["0002"]}],"to":{"branch":"default","heads":["0002"],"node":"4d4fd3f02c8e469b36837488ee209fd3070575a4"},"way":"downgrade"},"pusher":null,"reverts":["dev-3"],"tags":[],"tool":"0.1.0","user":"ana","way":"downgrade"}', '5d7e169d0d17c705cb34fb1a918a3a83252c6e29371ef8cd4bdaa8646a6cf582', false, '2026-11-21 07:25:28.749622+00');
INSERT INTO hgaurora.script VALUES ('4fbf911122db15fd3993c8449050d5491bb81036582029ffa66f220d2c017fba', '\x789c75ccbd0ac2301405e0fd3ec5254bda45ea2a3854ed262aa5bbc4e656034d6e4c527fdede163a88e0190fe77c4288a22896420800633d8784f1deabbebd917da38a181574812daa9eecc5b4388fd803047a9868d8e11ae58448d0fc74e7affac08e0040538783bf06a529cb578063d82fe845ed902893dbba2a9b0a9b72b3afb01d62624b216266341a977299cfc4a4ff4576f5f1f44b8ccf0f8a134524', 2);
INSERT INTO hgaurora.script VALUES ('ea36f24a1d0316b806ae9be0a7f8c84da1b0de8b005b589280b8d665f84a1753', '\x789c758cbd0ac2301446f7fb14972c6917a98e8243d56e8252ba4b6c6e35d0e4c624f5e7ed6da18b82df78f8ce11421445b112420018eb39248cf75ef5ed8dec1b55c4a8a00b6c51f5642fa6c5f9c41e20d0c344c30e3728a78804cd4f77fec14b09009a3a1cfc35284d59be061cc77e412f6a874499dcd555d954d894db43851c34858899d1685cca653efb53fc6f615f1f4f5ffea87d00cfc041f9', 5);
INSERT INTO hgaurora.script VALUES ('9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb', '\x789c95cc3d0bc2301485e1fdfe8a4b96b48b14dd04874abb1594d25d6273ab81263726a91fffde163ab979c697c32384288a6227840030d67348181fa31afb3bd90faa8851c110d8a21ac95e4d8feb893d40a0a789861d1e502e8804cd2f77f9c95b09009a069cfc2d284d59be079cc77e436feaa744992c9bae6eb12b8f4d8d1c3485886555a1a384c62599afc2c2ff6354ede9bc2033f005164345d1', 8);
INSERT INTO hgaurora.step VALUES (3, 'dev-1', 1, '0001', 'up', 'versions/0001_customers.py', '0001', '{}', '{}', '{}', '4fbf911122db15fd3993c8449050d5491bb81036582029ffa66f220d2c017fba', '3673ec20bc7a92f5ace1ceaa31ac7e900c5d3984cec74761088f94406273c65c', '1', false, '914c34120da7d3f4f35e2bce90db6ac289a01613', NULL, '{0001}', 1, 0, '2026-11-21 07:25:26.938935+00', '2026-11-21 07:25:26.941885+00', false);
INSERT INTO hgaurora.step VALUES (6, 'dev-2', 1, '0002', 'up', 'versions/0002_orders.py', '0002', '{0001}', '{}', '{}', 'ea36f24a1d0316b806ae9be0a7f8c84da1b0de8b005b589280b8d665f84a1753', '2420fb64be69d9ca56a67221bcebd809e9868b9813b11d9be81564d8dc453d71', '1', false, '4d4fd3f02c8e469b36837488ee209fd3070575a4', NULL, '{0002}', 1, 0, '2026-11-21 07:25:27.497058+00', '2026-11-21 07:25:27.499822+00', false);
INSERT INTO hgaurora.step VALUES (9, 'dev-3', 1, '0003', 'up', 'versions/0003_net.py', '0003', '{0002}', '{}', '{}', '9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb', 'c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189', '1', false, '1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94', NULL, '{0003}', 1, 0, '2026-11-21 07:25:28.182827+00', '2026-11-21 07:25:28.185326+00', false);
INSERT INTO hgaurora.step VALUES (12, 'dev-4', 1, '0003', 'down', 'versions/0003_net.py', '0003', '{0002}', '{}', '{}', '9b9c346b6287463fc7fc9e730be7988df2b79d4ecc253d5cb5d55b480283fecb', 'c1da131cf3abbf3adc06616b7670288a6a18646e430ea5261b915764be6e9189', '1', false, '1a9f7d6852bff588fa7dd19acff2cf5ac3b32d94', NULL, '{0002}', 1, 0, '2026-11-21 07:25:28.741001+00', '2026-11-21 07:25:28.743679+00', false);
INSERT INTO public.alembic_version VALUES ('0002');
SELECT pg_catalog.setval('hgaurora.statement_id_seq', 1, false);
ALTER TABLE ONLY hgaurora.deployment
    ADD CONSTRAINT deployment_number_key UNIQUE (number);
ALTER TABLE ONLY hgaurora.deployment
    ADD CONSTRAINT deployment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY hgaurora.environment
    ADD CONSTRAINT environment_pkey PRIMARY KEY (one);
ALTER TABLE ONLY hgaurora.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY hgaurora.script
    ADD CONSTRAINT script_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY hgaurora.statement
    ADD CONSTRAINT statement_pkey PRIMARY KEY (id);
ALTER TABLE ONLY hgaurora.step
    ADD CONSTRAINT step_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
CREATE UNIQUE INDEX deployment_outcome_idx ON hgaurora.deployment USING btree (outcome) WHERE (outcome = 'running'::text);
CREATE INDEX event_deployment_idx ON hgaurora.event USING btree (deployment);
CREATE INDEX event_seq_idx ON hgaurora.event USING btree (seq) WHERE (delivered_at IS NULL);
CREATE UNIQUE INDEX statement_revision_direction_ordinal_idx ON hgaurora.statement USING btree (revision, direction, ordinal) WHERE (NOT closed);
CREATE INDEX step_deployment_idx ON hgaurora.step USING btree (deployment);
