/*
 * The lock-free protocol of writers and pruners: docs/design.md, "No locks".  tests/model/check.sh runs it, and says what each
 * variant is (a rule taken away, by -DNAME; then an assertion must fail).
 *
 * One chunk, which every snapshot refers to and every pack holds.  It is enough, since a rule that fails for some chunk fails
 * for one; what matters is who relies on which of its places, and when.
 *
 *   Writer   backs up or merges index runs; dies anywhere and begins again
 *   Pruner   a session: reads, sweeps, dooms; dies anywhere and begins again
 *   Doomer   (-DDOOM_ANYTHING) in place of what sessions doom: any packs, at any moment, which is more than they can do
 *   Late     (-DLATE_RUNS) puts runs that name packs which have just gone, as whoever began before may do
 *   Repacker (-DREPACK) what a session may do before it dooms: copies a pack; dies anywhere and begins again
 *   Mount    (-DMOUNT) reads a snapshot, for as long as it likes, and another one
 *   Clock    time passes, at any moment, for all alike; nobody compares clocks
 *   Owner    forgets snapshots
 *
 * Sets of packs and of records are bit masks.  A pack's number is its place in the order of ids; what is new may come anywhere
 * in that order, and nothing gets a name again that was once used.  Records may: who knows the old one is told (late_record).
 */

#ifndef NPACK
#define NPACK 3
#endif
#ifndef NRECORD
#define NRECORD 2
#endif
#ifndef NWRITER
#define NWRITER 2
#endif
#ifndef NPRUNER
#define NPRUNER 2
#endif
#ifdef REPACK
#define NCLOCK (NWRITER + 1) /* the last one is the repacker's, which is a writer to that extent */
#else
#define NCLOCK NWRITER
#endif

/*
 * Durations in units, each a quarter of the grace: all limits are multiples of that.  Where all of them are closed ("at most",
 * "at least"), whole numbers are enough: whatever can happen at other times can happen at these (Henzinger, Manna and
 * Pnueli, What good are digital clocks?, 1992).  So where the programs do something before a limit, here it may be at the
 * limit.  A put that names packs, and a delete, may come a quarter after the last look at the clock.
 */
#define G 4         /* the grace */
#define T_ACT 4     /* a writer trusts what it read of doomed/ for less than that: T, half of the grace, and for its put */
#define WT_MAX 5    /* a writer that has looked so long ago begins anew */
#define S_ACT 3     /* a session acts on what it read for less than that: S, a quarter, and for its delete */
#define IDLE 15

/* What must be able to happen: check.sh wants these to fail. */
#ifdef CAN_FREE
#define REACH (!(present & 1))
#endif
#ifdef CAN_END
#define REACH (!(present & 1) && !(named & 1) && !doomed)
#endif
#ifdef CAN_SPARE
#define REACH (snapshot && (PACKS(spent) & 1) && (present & 1))
#endif
#ifdef CAN_CLEAR
#define REACH (cleared)
#endif
#ifdef CAN_COPY
#define REACH (snapshot && (present & named & copies) && !(present & ~copies))
#endif
#ifdef CAN_MOVE
#define REACH (moved)
#endif
#ifdef CAN_DANGLE
#define REACH (snapshot && (named & ~present))
#endif

#define LOWEST(set) ((set) & (0 - (set)))
#define PACKS(set) (((set) & 1 -> in_record[0] : 0) | ((set) & 2 -> in_record[1] : 0))

/* --- The store --- */
byte present = 1;       /* packs that exist */
byte unused = (1 << NPACK) - 2; /* names of packs that were never used */
byte named = 1;         /* packs that some run names */
byte doomed, spent;     /* records of stage 1, and those beside which there is one of stage 2 */
byte in_record[NRECORD], age[NRECORD], age_spent[NRECORD];
bool snapshot = true;   /* there is one that its writer has called done */
byte pending;           /* by writer: its manifest is there, and it has not looked at the clock since */

/* --- Clocks: units since a process read doomed/, up to where nothing changes any more --- */
byte wt[NCLOCK] = IDLE, st[NPRUNER] = IDLE;

/*
 * What came after a session had looked: runs that name these packs; new records under these numbers.  Noted only while
 * the session has a use for it.
 */
byte late_named[NPRUNER], late_record[NPRUNER];
bool sweeps[NPRUNER], judges[NPRUNER];

#ifdef MOUNT
bool reads, forgotten;     /* the mount does; its snapshot has been, since it began to */
#endif
#ifdef REACH
bool cleared;              /* pack 0 was doomed, and kept, and may be relied on again */
byte copies;               /* packs that were put by the repacker */
bool moved;                /* the mount has found its chunk in another pack */
#endif

/* No snapshot that is done misses its chunk. */
#define WHOLE assert(!snapshot || (present & named))

inline name_packs(set)
{
	named = named | (set);
	late_named[0] = (sweeps[0] -> late_named[0] | (set) : 0);
#if NPRUNER > 1
	late_named[1] = (sweeps[1] -> late_named[1] | (set) : 0)
#endif
}

inline put_record(set, n)
{
	if
	:: !(doomed & 1) -> n = 0
	:: (doomed & 1) && NRECORD > 1 && !(doomed & 2) -> n = 1
	:: else -> n = NRECORD /* no number is left */
	fi;
	if
	:: n < NRECORD ->
		doomed = doomed | (1 << n);
		in_record[n] = set;
		age[n] = 0;
		late_record[0] = (judges[0] -> late_record[0] | (1 << n) : 0);
#if NPRUNER > 1
		late_record[1] = (judges[1] -> late_record[1] | (1 << n) : 0)
#endif
	:: else
	fi;
	n = 0
}

/*
 * A listing is not atomic: what is put meanwhile may be missed, and what is deleted meanwhile seen.  As records are not
 * replaced by others, that is nothing but another moment.
 */
inline list_doomed(set)
{
	set = set | PACKS(doomed)
}

/* --- Time --- */
proctype Clock()
{
	byte i;

end:	do
	:: d_step {
		i = 0;
		do
		:: i < NRECORD ->
			if
			:: (doomed & ~spent & (1 << i)) && age[i] < G -> age[i]++
			:: else
			fi;
			if
			:: (spent & (1 << i)) && age_spent[i] < G -> age_spent[i]++
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NCLOCK -> if :: wt[i] < WT_MAX -> wt[i]++ :: else fi; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NPRUNER -> if :: st[i] < S_ACT -> st[i]++ :: else fi; i++
		:: else -> break
		od;
		i = 0;
	}
	od
}

proctype Owner()
{
end:	do
	:: atomic {
		snapshot -> snapshot = false;
#ifdef MOUNT
		forgotten = reads
#endif
	}
	od
}

/*
 * What a process does by itself is one step with the operation on the store before it, as nobody can see a difference; and it
 * reads a clock at the moment of the operation, as a moment earlier it would only be more careful.
 */

/* --- A writer --- */
#ifdef NO_TIME_FOR_WRITERS
#define IN_TIME (true)
#define IN_TIME_TO_BEGIN (true)
#else
#define IN_TIME (wt[me] < T_ACT)
#define IN_TIME_TO_BEGIN (wt[me] < T_ACT - 1)
#endif

#define WRITER_BEGINS_ANEW blocked = 0; known = 0; relied = 0; own = 0; wt[me] = IDLE; goto start

/*
 * W4: look again.  That tells of all that came since the last time only if that is not too long ago: a record blocks for twice
 * the grace, and then a pack may be there of which no run is left.
 */
#ifdef NEVER_TOO_LATE
#define TOO_LATE (false)
#else
#define TOO_LATE (wt[me] >= WT_MAX)
#endif

inline read_doomed_again()
{
	blocked = 0;
	list_doomed(blocked);
	if
	:: (relied & blocked) || (relied & ~present) || TOO_LATE -> in_vain = true
	:: else -> in_vain = false
	fi;
	wt[me] = 0;
	blocked = 0
}

proctype Writer(byte me)
{
	byte blocked, known, relied, own;
	bool in_vain;

	/* W1, W2: doomed/ before the index.  Until then it is idle. */
start:
end:	if
	:: goto backup
#ifndef NO_MERGE
	:: atomic { wt[me] = 0; list_doomed(blocked); goto merge }
#endif
	fi;

backup:
#ifdef INDEX_FIRST
	atomic { known = named };
#endif
	atomic { wt[me] = 0; list_doomed(blocked) };
	atomic {
#ifndef INDEX_FIRST
		known = named;
#endif
#ifdef NO_WRITERS_RULE
		blocked = 0;
#endif
		/* W3 */
		known = known & ~blocked;
		blocked = 0;
		if
		:: known -> relied = LOWEST(known)
		:: known & ~LOWEST(known) -> relied = known & ~LOWEST(known); relied = LOWEST(relied)
		:: !known && unused -> own = LOWEST(unused)
		:: !known && (unused & ~LOWEST(unused)) -> own = unused & ~LOWEST(unused); own = LOWEST(own)
		:: !known && !unused -> WRITER_BEGINS_ANEW
		fi;
		known = 0;
		unused = unused & ~own;
		relied = relied | own;
		if
		:: own == 0 -> goto manifest
		:: else
		fi
	};
#ifdef MANIFEST_FIRST
	atomic { snapshot = true; WHOLE };
#endif
	if
	:: atomic { present = present | own }
	:: atomic { WRITER_BEGINS_ANEW }
	fi;

	/* W4, of the run. */
naming:	if
	:: atomic { IN_TIME -> name_packs(own); own = 0 }
	:: atomic {
		!IN_TIME_TO_BEGIN -> read_doomed_again();
		if
		:: in_vain -> in_vain = false; WRITER_BEGINS_ANEW
		:: else -> goto naming
		fi
	   }
	:: atomic { WRITER_BEGINS_ANEW }
	fi;

	/* W4, of the manifest.  The put takes as long as it likes, to come through and to come back. */
manifest:
	if
	:: IN_TIME_TO_BEGIN
	:: atomic {
		!IN_TIME_TO_BEGIN -> read_doomed_again();
		if
		:: in_vain -> in_vain = false; WRITER_BEGINS_ANEW
		:: else -> goto manifest
		fi
	   }
	:: atomic { WRITER_BEGINS_ANEW }
	fi;
	atomic { pending = pending | (1 << me) };

	/* W5.  Whoever dies here leaves a manifest that nobody was told of: it goes or it stays. */
done:	if
	:: atomic { IN_TIME -> snapshot = true; WHOLE; pending = pending & ~(1 << me); WRITER_BEGINS_ANEW }
	:: atomic {
		!IN_TIME -> read_doomed_again();
		if
		:: in_vain -> in_vain = false; pending = pending & ~(1 << me); WRITER_BEGINS_ANEW
		:: else -> goto done
		fi
	   }
	:: atomic { pending = pending & ~(1 << me); WRITER_BEGINS_ANEW }
	fi;

	/* Runs are taken whole: none that names a blocked pack, any of the others. */
merge:	atomic {
#ifdef MERGE_ANYTHING
		blocked = 0;
#endif
		known = named & ~blocked;
		blocked = 0;
		if
		:: true
		:: known = LOWEST(known)
		:: known = known & ~LOWEST(known)
		fi
	};
	if
	:: atomic { IN_TIME -> name_packs(known); WRITER_BEGINS_ANEW }
	:: atomic { WRITER_BEGINS_ANEW /* it is dropped */ }
	fi
}

/* --- A session of prune --- */
#ifdef NO_TIME_FOR_SESSIONS
#define MAY_ACT (true)
#else
#define MAY_ACT (st[me] < S_ACT)
#endif

#define SESSION_ENDS \
	blocked = 0; aged = 0; over = 0; names = 0; there = 0; keep = 0; dead = 0; drop = 0; doom = 0; \
	live = false; i = 0; st[me] = IDLE; HEEDS_NO_RUNS; HEEDS_NO_RECORDS; goto start

#define HEEDS_NO_RUNS sweeps[me] = false; late_named[me] = 0
#define HEEDS_NO_RECORDS judges[me] = false; late_record[me] = 0

inline judge_ages()
{
	do
	:: i < NRECORD ->
		if
		:: (doomed & ~spent & (1 << i)) && age[i] >= G -> aged = aged | (1 << i)
		:: else
		fi;
		if
		:: (spent & (1 << i)) && age_spent[i] >= G -> over = over | (1 << i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	judges[me] = (aged | over) != 0
}

/* P5, P6 */
inline mark_and_choose()
{
	keep = names & there;
#ifdef KEEP_ANY
	if
	:: keep = LOWEST(keep)
	:: (keep & ~LOWEST(keep)) -> keep = keep & ~LOWEST(keep)
	fi;
#else
	if
	:: keep & ~blocked -> keep = keep & ~blocked; keep = LOWEST(keep)
	:: else
	fi;
#endif
	if
	:: live
	:: !live -> keep = 0
	fi;
#ifdef NO_SECOND_LOOK
	dead = PACKS(aged);
#else
	dead = PACKS(aged) & ~keep;
#endif
	drop = names & (dead | (blocked & ~there));
#ifndef DOOM_ANYTHING
	doom = there & ~blocked & ~keep;
#endif
	names = names & ~drop;
	dead = dead & there;
	blocked = 0
}

proctype Pruner(byte me)
{
	byte blocked, aged, over, names, there, keep, dead, drop, doom, i;
	bool live;

	/* P1 */
start:
end:	atomic { st[me] = 0; list_doomed(blocked); judge_ages() };
	/*
	 * P2, P3, P4, at one moment: what they read a moment later would be as old when it is used.  P1 is before them, which matters
	 * to who publishes in between.
	 */
	if
	:: atomic {
		names = named;
		there = present;
		live = snapshot || pending;
		if
		:: live && !(names & there) -> SESSION_ENDS /* it refuses */
		:: else -> mark_and_choose()
		fi;
		live = false;
		keep = 0;
		there = 0;
		if
		:: !(drop | dead | aged | over | doom) -> SESSION_ENDS
		:: !(drop | dead | aged | over) && doom -> goto dooming
		:: !drop && (dead | aged | over) -> names = 0; goto deleting
		:: else -> sweeps[me] = true
		fi
	   }
	:: atomic { SESSION_ENDS }
	fi;

	/* P7a: runs that name them are written anew without them; the others that those name are named again. */
	if
#ifdef OLD_RUN_FIRST
	:: atomic { MAY_ACT -> named = named & ~(drop | names); WHOLE }
#else
	:: atomic { MAY_ACT -> name_packs(names) }
	:: atomic { MAY_ACT -> name_packs(LOWEST(names)) }
	:: MAY_ACT /* they stand in other runs */
#endif
	:: atomic { !MAY_ACT -> goto dooming }
	fi;
	if
#ifdef OLD_RUN_FIRST
	:: atomic { MAY_ACT -> name_packs(names); names = 0; drop = 0; HEEDS_NO_RUNS }
#else
	:: atomic { MAY_ACT -> named = named & ~(drop & ~late_named[me]); WHOLE; names = 0; drop = 0; HEEDS_NO_RUNS }
#endif
	:: atomic { !MAY_ACT -> goto dooming }
	:: atomic { SESSION_ENDS }
	fi;

	/* P7b */
deleting:
	if
	:: atomic { dead && MAY_ACT -> present = present & ~LOWEST(dead); WHOLE; dead = dead & ~LOWEST(dead); goto deleting }
	:: atomic { dead && !MAY_ACT -> goto dooming }
	:: atomic { dead -> SESSION_ENDS }
	:: !dead
	fi;

	/* P7c, of what was deleted and of what was kept alike; P7d.  It may die before each. */
	if
	:: atomic { !MAY_ACT || !(aged | over) }
	:: atomic {
		MAY_ACT && (aged | over) -> aged = aged & doomed & ~spent & ~late_record[me];
		do
		:: i < NRECORD -> if :: aged & (1 << i) -> age_spent[i] = 0; age[i] = 0 :: else fi; i++
		:: else -> break
		od;
#ifdef ONE_STAGE
		doomed = doomed & ~aged;
#else
		spent = spent | aged;
#endif
		i = 0;
		if
		:: true
		:: SESSION_ENDS
		fi;
		over = over & doomed & ~late_record[me];
#ifdef REACH
		cleared = cleared || (PACKS(over) & present & 1);
#endif
		doomed = doomed & ~over;
		spent = spent & ~over;
		do
		:: i < NRECORD -> if :: over & (1 << i) -> age_spent[i] = 0; in_record[i] = 0 :: else fi; i++
		:: else -> break
		od
	   }
	:: atomic { (aged | over) -> SESSION_ENDS }
	fi;
	/* P8, at any time: what is doomed wrongly is found out by the sweep. */
dooming:
	/* Only what it wants to doom is still of interest. */
	atomic {
		names = 0;
		dead = 0;
		drop = 0;
		aged = 0;
		over = 0;
		i = 0;
		HEEDS_NO_RUNS;
		HEEDS_NO_RECORDS;
		st[me] = IDLE
	};
	if
	:: atomic { doom -> i = 0; put_record(doom, i); SESSION_ENDS }
	:: atomic { SESSION_ENDS }
	fi
}

#ifdef DOOM_ANYTHING
proctype Doomer()
{
	byte set, i;

end:	do
	:: atomic {
		doomed != (1 << NRECORD) - 1 -> set = ((1 << NPACK) - 1) & ~unused;
		do
		:: i < NPACK -> if :: true :: set = set & ~(1 << i) fi; i++
		:: else -> break
		od;
		i = 0;
		if
		:: set -> put_record(set, i)
		:: else
		fi;
		set = 0
	   }
	od
}
#endif

#ifdef LATE_RUNS
/* Two sessions that replace the same run, or a merge: whoever has seen the pack there names it in the grace after its sweep. */
#define LATE(n) ((doomed & (1 << n)) && (in_record[n] & ~present) && (!(spent & (1 << n)) || age_spent[n] < G))

proctype Late()
{
end:	do
	:: atomic { LATE(0) -> name_packs(in_record[0] & ~present) }
#if NRECORD > 1
	:: atomic { LATE(1) -> name_packs(in_record[1] & ~present) }
#endif
	od
}
#endif

#ifdef REPACK
/* --- What a session does before it dooms --- */

/* It copies what it has chosen among packs that were there, and says so by the rule for writers. */
#ifdef NO_TIME_FOR_COPIES
#define IN_TIME_TO_COPY (true)
#else
#define IN_TIME_TO_COPY IN_TIME
#endif

#define REPACKER_ENDS blocked = 0; relied = 0; from = 0; wt[me] = IDLE; goto start

proctype Repacker(byte me)
{
	byte blocked, relied, from, i;
	bool in_vain;

start:
end:	atomic {
		unused -> wt[me] = 0;
		relied = LOWEST(unused);
		if
		:: true
		:: unused & ~relied -> relied = unused & ~relied; relied = LOWEST(relied)
		fi;
		unused = unused & ~relied
	};
	/* Whether it is blocked by now is no matter: it is there to be read. */
	if
	:: atomic {
		present & named -> from = present & named;
		do
		:: from & ~LOWEST(from) -> from = from & ~LOWEST(from)
		:: from = LOWEST(from); break
		od;
		present = present | relied;
#ifdef REACH
		copies = copies | relied
#endif
	   }
	:: atomic { REPACKER_ENDS }
	fi;
naming:	if
	:: atomic { IN_TIME_TO_COPY -> name_packs(relied) }
	:: atomic {
		!IN_TIME_TO_BEGIN -> read_doomed_again();
		if
		:: in_vain -> in_vain = false; REPACKER_ENDS
		:: else -> goto naming
		fi
	   }
	:: atomic { REPACKER_ENDS }
	fi;
	/* P8: the old one. */
	if
#ifdef COPIED_GOES_AT_ONCE
	:: atomic { named = named & ~from; present = present & ~from; WHOLE; REPACKER_ENDS }
#else
	:: atomic { put_record(from, i); REPACKER_ENDS }
#endif
	:: atomic { REPACKER_ENDS }
	fi
}
#endif

#ifdef MOUNT
/*
 * --- A mount ---
 *
 * It changes nothing, so that one is as good as many.  What it knows of places may be as old as it likes: it begins with a
 * pack that is there, but may be gone before it is read, or with none.  A pack that it did not find is gone for good.
 */
#define READ_ENDS place = 0; names = 0; missing = 0; listed = false; reads = false; forgotten = false; goto start

proctype Mount()
{
	byte place, names, missing;
	bool listed;

start:
end:	atomic {
		snapshot -> reads = true;
		if
		:: goto listing
		:: present -> place = present;
			do
			:: place & ~LOWEST(place) -> place = place & ~LOWEST(place)
			:: place = LOWEST(place); break
			od
		fi
	};

reading:
	if
	:: atomic { !forgotten && (place & present) ->
#ifdef REACH
		moved = moved || missing;
#endif
		READ_ENDS /* the bytes */
	   }
	:: atomic { !forgotten && !(place & present) -> missing = missing | place; place = 0 }
	:: atomic { forgotten -> READ_ENDS /* the bytes, or an error */ }
	fi;

	/* Of all runs that there are now any one that names another pack. */
listing:
	if
	:: atomic { !forgotten ->
#ifdef LISTS_ONCE
		names = (listed -> names : named);
		names = names & ~missing;
		listed = true;
#else
		names = named;
#ifndef ASKS_ANY_RUN
		names = names & ~missing;
#endif
#endif
		assert(names); /* else there is an error: in no run */
		place = names;
		do
		:: place & ~LOWEST(place) -> place = place & ~LOWEST(place)
		:: place = LOWEST(place); break
		od;
		assert(!(place & missing)); /* else there is an error: the pack is missing, again */
#ifndef LISTS_ONCE
		names = 0;
#endif
		goto reading
	   }
	:: atomic { forgotten -> READ_ENDS }
	fi
}
#endif

#ifdef REACH
active proctype Reached()
{
	atomic { (REACH) -> assert(false) }
}
#endif

init {
	atomic {
		run Clock();
		run Owner();
#ifdef DOOM_ANYTHING
		run Doomer();
#endif
		run Writer(0);
		run Pruner(0);
#if NWRITER > 1
		run Writer(1);
#endif
#if NPRUNER > 1
		run Pruner(1);
#endif
#ifdef LATE_RUNS
		run Late();
#endif
#ifdef REPACK
		run Repacker(NWRITER);
#endif
#ifdef MOUNT
		run Mount();
#endif
		skip
	}
}
