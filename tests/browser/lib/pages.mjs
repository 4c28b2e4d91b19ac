// Every page there is, for whoever walks through all of them.

/** Path of each page by name. The ids are those of one task (charter, index of a pledge, submission, settlement, project, fingerprint of the arbiter), and of a wish. */
export function pages({ charter, draft, index, submission, settlement, project, arbiter, wish }) {
  const task = `/tasks/${charter}`;
  return {
    front: '/',
    explore: '/tasks',
    'explore-nothing': '/tasks?q=nosuchtask',
    task,
    'task-draft': `/tasks/${draft}`,
    timeline: `${task}/timeline`,
    charter: `${task}/charter`,
    'charter-draft': `/tasks/${draft}/charter`,
    checkout: `${task}/pledge`,
    pledge: `${task}/pledges/${index}`,
    move: `${task}/pledges/${index}/move`,
    vote: `${task}/vote`,
    submission: `${task}/submissions/${submission}`,
    say: `${task}/submissions/${submission}/say`,
    settlements: `${task}/settlements`,
    settlement: `${task}/settlements/${settlement}`,
    wishes: '/wishes',
    'wish-read': `/wishes/${wish}`,
    'wish-timeline': `/wishes/${wish}/timeline`,
    'wish-new': '/wishes/new',
    'new-of-wish': `/new?wish=${wish}`,
    projects: '/projects',
    project: `/projects/${project}`,
    'project-timeline': `/projects/${project}/timeline`,
    new: '/new',
    arbiter: `/arbiters/${arbiter}`,
    desk: '/desk',
    'desk-developer': '/desk/developer',
    'desk-representative': '/desk/representative',
    'desk-arbiter': '/desk/arbiter',
    'desk-work': `/desk/developer/${charter}`,
    'desk-leader': '/desk/leader',
    'desk-name-representative': `/desk/representative/${charter}`,
    'desk-name-leader': `/desk/leader/${charter}`,
    'desk-case-representative': `/desk/representative/${charter}/${submission}`,
    'desk-case-arbiter': `/desk/arbiter/${charter}/${submission}`,
    operator: '/operator',
    recover: '/recover',
    'how-it-works': '/how-it-works',
    risks: '/risks',
    api: '/api',
    problems: '/problems',
    problem: '/problems/index_taken',
    missing: '/nowhere',
    embed: `/embed/tasks/${charter}`,
  };
}

/** Pages that answer with another status than 200. */
export const STATUS = { missing: 404 };
