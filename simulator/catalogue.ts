import type { PermissionRecord } from './records.ts'

/**
 * `domain entity marks actions…`; marks: D the permission is granted per division, C policies may
 * carry a condition, `-` neither.
 */
const ENTRIES: readonly string[] = [
  'alerting alert D view edit delete',
  'alerting rule D view add edit delete',
  'analytics agentDetail D view',
  'analytics conversationAggregate DC view',
  'analytics conversationDetail DC view',
  'analytics dashboardConfigurations - view add edit delete',
  'analytics dataExport - view add delete',
  'analytics evaluationAggregate D view',
  'analytics flowAggregate D view',
  'analytics queueObservation DC view',
  'analytics surveyAggregate D view',
  'analytics userAggregate D view',
  'analytics userDetail D view',
  'analytics userObservation D view',
  'architect datatable D view add edit delete',
  'architect datatableRow D view add edit delete',
  'architect flow DC view add edit delete publish unlock launch search',
  'architect flowOutcome D view add edit',
  'architect job - create view',
  'architect schedule D view add edit delete',
  'architect systemPrompt - view edit',
  'architect userPrompt - view add edit delete',
  'audits audit - view',
  'audits interactionDetails D view',
  'authorization division - add edit delete',
  'authorization grant D view add delete',
  'authorization policy - view add edit delete',
  'authorization role D view add edit delete',
  'authorization settings - edit',
  'billing subscription - view',
  'coaching appointment D view add edit delete',
  'conversation call D record pull transfer',
  'conversation callback D create edit',
  'conversation communication DC view disconnect barge coach monitor transfer',
  'conversation email D accept create forward',
  'conversation message D accept create view',
  'conversation participant - wrapup',
  'directory group - view add edit delete',
  'directory organization - view admin',
  'directory user D view add edit delete setPassword',
  'directory userProfile - view edit',
  'employeeEngagement celebration - add delete',
  'externalContacts contact DC view add edit delete',
  'externalContacts externalOrganization D view add edit delete',
  'gamification leaderboard - view',
  'gamification profile - view add edit',
  'gdpr request - view add',
  'integrations action - view add edit execute',
  'integrations integration - view add edit delete',
  'journey segment - view add edit delete',
  'knowledge document D view add edit delete',
  'knowledge knowledgebase D view add edit delete',
  'learning assignment D view add edit',
  'learning module D view add edit delete publish',
  'oauth client - view add edit delete authorize',
  'outbound campaign DC view add edit delete start',
  'outbound contact D view add edit delete',
  'outbound contactList D view add edit delete',
  'outbound dnclist D view add edit delete',
  'presence userPresence - view edit',
  'quality calibration DC view add edit delete',
  'quality evaluation DC view add edit editScore delete assign release',
  'quality evaluationForm - view add edit delete',
  'quality survey D view add delete',
  'recording annotation DC view add edit delete',
  'recording recording DC view edit delete editRetention viewSensitiveData',
  'recording recordingSegment DC view',
  'recording screenRecording DC view stop',
  'responses library - view add edit delete',
  'responses response D view add edit delete',
  'routing conversation D call edit',
  'routing email - manage',
  'routing language - view assign manage',
  'routing queue DC view add edit delete search join',
  'routing queueMember DC manage view',
  'routing skill - view assign manage',
  'routing transcriptionSettings D view edit',
  'routing utilization - view manage',
  'routing wrapupCode D view add edit delete',
  'scripter script D view add edit delete publish',
  'speechAndTextAnalytics data DC view',
  'speechAndTextAnalytics topic - view add edit delete',
  'telephony phone - view add edit delete',
  'telephony plugin - all',
  'telephony site - view add edit delete',
  'telephony trunk - view',
  'ui supervisor - access',
  'user recentlyViewed - view',
  'voicemail voicemail - acceptOwn',
  'webDeployments configuration D view add edit delete',
  'webDeployments deployment D view add edit delete',
  'wfm agent D view edit',
  'wfm historicalAdherence DC view',
  'wfm realtimeAdherence DC view',
  'wfm schedule DC view add edit delete publish',
  'wfm timeOffRequest D view add edit',
]

/** Further parts of the platform, for catalogues as large as those of real organisations. */
const MORE_DOMAINS: readonly string[] = (
  'assistants bots businessRules callbacks caseManagement cobrowse contentManagement copilot ' +
  'dataActions dialog documents dsar emails eventOrchestration fax flowInsights guides ' +
  'intentMiner languageUnderstanding limits messaging mobile nlu organization predictor ' +
  'processAutomation reporting sms socialMedia taskManagement teams uploads workitems'
).split(' ')

const MORE_ENTITIES: readonly string[] = (
  'setting rule template category tag profile session report dashboard job policy view history ' +
  'assignment notification configuration workflow model dataset audience'
).split(' ')

const MORE_ACTIONS: readonly string[] = ['view', 'add', 'edit', 'delete']

function labelOf(action: string, entity: string): string {
  const words = entity.replaceAll(/([A-Z])/g, ' $1').toLowerCase()
  return `${action.charAt(0).toUpperCase()}${action.slice(1)} ${words}`
}

function permission(
  domain: string,
  entity: string,
  action: string,
  marks: string,
): PermissionRecord {
  return {
    domain,
    entity,
    action,
    label: labelOf(action, entity),
    divisionAware: marks.includes('D'),
    allowsConditions: marks.includes('C'),
  }
}

function* handWritten(): Generator<PermissionRecord> {
  for (const entry of ENTRIES) {
    const [domain = '', entity = '', marks = '', ...actions] = entry.split(' ')
    for (const action of actions) yield permission(domain, entity, action, marks)
  }
}

/** Entity by entity through all domains, so that a small addition is spread, not lopsided. */
function* grown(): Generator<PermissionRecord> {
  for (const [position, entity] of MORE_ENTITIES.entries()) {
    const marks = ['D', '-', 'DC', '-'][position % 4] ?? '-'
    for (const domain of MORE_DOMAINS) {
      for (const action of MORE_ACTIONS) yield permission(domain, entity, action, marks)
    }
  }
}

/** The catalogue that is in every world: permissions as the platform has them. */
export const BASE_CATALOGUE: readonly PermissionRecord[] = [...handWritten()]

/** A catalogue of that many permissions, the base first. Past some 2,900 there are no more. */
export function catalogueOf(count: number): readonly PermissionRecord[] {
  return [...BASE_CATALOGUE, ...grown()].slice(0, count)
}
