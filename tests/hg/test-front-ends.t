Two spellings, one table
========================

The extension is switched on by one line of hgrc. Its commands are listed:

  $ hg help -e hgaurora
  hgaurora extension - deploy Alembic migrations of a repository to Amazon
  Aurora, and take them back
  
  An environment is a database that a changeset is deployed to. A deploy takes a
  snapshot before each migration and records what it did in the database itself;
  a revert takes a deploy back, with the recorded scripts or from a snapshot.
  Begin with 'hg aurora-init', or read 'hg help aurora'.
  
  list of commands:
  
   aurora-adopt  take over a database that Alembic has migrated
   aurora-annotate
                 say who made each table and column, and when it reached each
                 environment
   aurora-demo   build a playground, break its production, revert it
   aurora-deploy
                 bring an environment to the migrations of a changeset
   aurora-diff   compare the schemas of any two states
   aurora-doctor
                 say what production wants of an environment
   aurora-drift  say whether a schema is the one that was recorded
   aurora-engine
                 start or stop the local database servers
   aurora-hg-config
                 print the hgrc lines for a Mercurial on another Python
   aurora-iam-policy
                 print what a command may do in AWS
   aurora-init   lay down hgaurora.toml and the migrations folder
   aurora-journal
                 deliver waiting events, or compare ledger and journal
   aurora-log    show the deploys and reverts of an environment
   aurora-revert
                 take a deploy back
   aurora-secret
                 give the database user of a cluster a new password
   aurora-snapshots
                 list, prune or copy the snapshots of an environment
   aurora-status
                 show where each environment is
   aurora-trace  say which changeset made a database
  
  (use 'hg help -v hgaurora' to show built-in aliases and global options)
  $ hg help aurora | head -12
  Deploying to AWS Aurora
  """""""""""""""""""""""
  
      hgaurora brings databases to the migrations of a changeset, and takes that
      back.
  
      Words
      =====
  
      An "environment" is a database and the rules for it, as "hgaurora.toml"
      names it. To "deploy" is to bring an environment to the migrations of a
      changeset; to "revert" is to take a deploy back. The "ledger" is the
  $ hg help aurora | tail -16
      The same for "hg aurora-NAME" and "hgaurora NAME":
  
        0     -                done, or nothing to do
        1     -                answered, and the answer is no
        10    InputError       the command line or a file in the repository is wrong
        20    StateError       not possible in the state things are in now
        21    LockHeld         another deploy or revert holds the environment
        22    DriftError       the database is not what the ledger recorded
        30    ConfigError      hgaurora.toml or hgrc is wrong
        40    PolicyError      a rule refused
        60    MigrationFailed  a migration failed; the state is said
        100   RemoteError      a database, AWS or the network did not answer
        150   SecurityError    wrong account, identity or TLS name
        240   Interrupted      half way; the next run goes on
        250   Declined         a person said no at a prompt
        255   -                a bug in hgaurora, or an error of hg itself
  $ hg help aurora-revert
  hg aurora-revert [OPTION]... ENV
  
  aliases: aurorarevert
  
  take a deploy back
  
  Without "--to" it takes the newest deploy back that still stands. "--way
  downgrade" (the default) runs the recorded scripts backwards, and says for
  each step whether it can lose data; "--way restore" goes back to a snapshot,
  and loses all that was written since. On a protected environment its name must
  be typed (for a restore also the snapshot's age); "--yes" is for scripts.
  
  The scripts come from the ledger: the changeset may be stripped, and the
  working directory may hold anything.
  
  Example:
  
    hg aurora-revert prod -n
        the steps of the way back, and what each can lose
    hg aurora-revert prod --to previous
        the state before the last deploy
    hg aurora-revert prod --way restore --to prod-42-1
        back to a snapshot
  
  options:
  
      --to TARGET     a changeset, deploy id, snapshot, or previous (the
                      default)
      --way WAY       how: downgrade or restore
      --yes           do not ask; for scripts
      --resume        go on with an interrupted revert
      --abort         give an interrupted restore up, and open the database
                      again
   -n --dry-run       print what would be done, and change nothing
   -T --template json print JSON: a list of objects, also on failure
  
  (some details hidden, use --verbose to show complete help)
  $ hgaurora="python -P -m hgaurora"
  $ $hgaurora --version
  hgaurora 0.1.0
  $ $hgaurora
  Usage: hgaurora COMMAND [OPTION]...
  
    Deploy the Alembic migrations of a Mercurial repository, and take them back.
  
  Options:
    -R, --repository PATH  the repository, else the one around this folder
    --version              show the version
    -h, --help             Show this message and exit.
  
  Commands:
    init        lay down hgaurora.toml and the migrations folder
    deploy      bring an environment to the migrations of a changeset
    revert      take a deploy back
    status      show where each environment is
    log         show the deploys and reverts of an environment
    diff        compare the schemas of any two states
    drift       say whether a schema is the one that was recorded
    trace       say which changeset made a database
    annotate    say who made each table and column, and when it reached each
                environment
    adopt       take over a database that Alembic has migrated
    snapshots   list, prune or copy the snapshots of an environment
    doctor      say what production wants of an environment
    iam-policy  print what a command may do in AWS
    secret      give the database user of a cluster a new password
    journal     deliver waiting events, or compare ledger and journal
    engine      start or stop the local database servers
    demo        build a playground, break its production, revert it
    hg-config   print the hgrc lines for a Mercurial on another Python
  
    Each of these is also a command of hg, such as: hg aurora-status. Exit
    codes: hg help aurora
  $ $hgaurora status -h
  Usage: hgaurora status [OPTION]... [ENV]
  
    show where each environment is
  
    One line per environment: its changeset, branch, since when, and the
    migrations that are pending. For one environment also a deploy that runs or
    was interrupted, and what the next run will do. Where one can not be looked
    at, or its pending migrations are not known, that is said, with the exit
    code of the error.
  
    Example:
      hgaurora status
          every environment
      hgaurora status --follow staging-88
          watch one deploy until it ends
  
  Options:
    --follow ID            watch a deploy until it ends
    -v, --verbose          say more
    --json                 print JSON: a list of objects, also on failure
    -R, --repository PATH  the repository, else the one around this folder
    --debug                show a traceback with an error
    -h, --help             Show this message and exit.

Where it is loaded from makes no difference, by name or by path:

  $ hg aurora-hg-config
  [extensions]
  hgaurora = /*/hgaurora (glob)
  [hgaurora]
  executable = /*/bin/python* (glob)
  $ package=`hg aurora-hg-config | sed -n 's/^hgaurora = //p'`
  $ hg --config extensions.hgaurora=$package aurora-hg-config -T json
  [{"extension": "/*/hgaurora", "executable": "/*/bin/python*"}] (glob)
  $ $hgaurora hg-config --json
  [{"extension": "/*/hgaurora", "executable": "/*/bin/python*"}] (glob)
  $ hg debugextensions
  hgaurora

A Python that has no hgaurora
-----------------------------

  $ hg --config hgaurora.executable=/nowhere/python aurora-hg-config
  abort: /nowhere/python can not be started: No such file or directory
    nothing was done
  (correct executable under [hgaurora] in hgrc)
  [30]
  $ hg --config hgaurora.executable=/bin/false aurora-hg-config
  abort: /bin/false does not run hgaurora
    nothing was done
  (correct executable under [hgaurora] in hgrc)
  [30]

Outside of a repository
-----------------------

  $ $hgaurora status 2>&1 | tail -2
    nothing was done
  (go into one, or name it with -R; hg init makes one)
  $ $hgaurora status --json 2>/dev/null
  [{"error": "InputError", "exit": 10, "message": "no repository found in '$TESTTMP/work'", "state": "nothing was done", "hint": "go into one, or name it with -R; hg init makes one", "data": {}}]
  [10]
  $ hg aurora-status
  abort: no repository found in '$TESTTMP/work' (.hg not found)
  [255]

Mistakes on the command line
----------------------------

Nothing is done, and the exit code is 10; options that hg itself does not know are hg's to refuse:

  $ hg init shop
  $ cd shop
  $ hg aurora-revert
  abort: missing argument 'ENV'
    nothing was done
  (hg aurora-revert --help shows what it takes)
  [10]
  $ hg aurora-deploy dev staging
  abort: got unexpected extra argument (staging)
    nothing was done
  (hg aurora-deploy --help shows what it takes)
  [10]
  $ hg aurora-log -l many
  abort: invalid value for '--limit' / '-l': 'many' is not a valid integer range
    nothing was done
  (hg aurora-log --help shows what it takes)
  [10]
  $ hg aurora-revert prod --way magic
  abort: invalid value for '--way': 'magic' is not one of 'downgrade', 'restore'
    nothing was done
  (hg aurora-revert --help shows what it takes)
  [10]
  $ hg aurora-status -T xml
  abort: -T takes json alone here, not xml
    nothing was done
  [10]
  $ hg aurora-revert -T json
  [{"error": "InputError", "exit": 10, "message": "missing argument 'ENV'", "state": "nothing was done", "hint": "hg aurora-revert --help shows what it takes", "data": {}}]
  abort: missing argument 'ENV'
    nothing was done
  (hg aurora-revert --help shows what it takes)
  [10]
  $ hg aurora-status --nope 2>&1 | head -1
  hg aurora-status: option --nope not recognized
  $ $hgaurora status --nope
  abort: no such option '--nope'
    nothing was done
  (hgaurora status --help shows what it takes)
  [10]
  $ $hgaurora depoly
  abort: no such command 'depoly'. (Did you mean one of: 'demo', 'deploy'?)
    nothing was done
  (hgaurora --help lists the commands)
  [10]

A repository without settings
-----------------------------

  $ hg aurora-status
  abort: there is no hgaurora.toml at the root of the repository
    nothing was done
  (hg aurora-init lays one down)
  [30]
  $ cd /
  $ $hgaurora -R $TESTTMP/work/shop status
  abort: there is no hgaurora.toml at the root of the repository
    nothing was done
  (hgaurora init lays one down)
  [30]
  $ hg -R $TESTTMP/work/shop aurora-status -T json 2>/dev/null
  [{"error": "ConfigError", "exit": 30, "message": "there is no hgaurora.toml at the root of the repository", "state": "nothing was done", "hint": "hg aurora-init lays one down", "data": {}}]
  [30]
