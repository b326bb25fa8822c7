import { api } from '../../lib/api/client';
import { Problem } from '../../lib/problem';

/** Asked again after this, when the page comes back into sight. */
const PATIENCE = 3_600_000;
export const MAX_COMMENT = 500;

type Question = NonNullable<Awaited<ReturnType<typeof api.survey>>['question']>;

/** Whether the person is asked how satisfied they are, and what they are about to answer. */
export class Survey {
  question: Question | null = $state.raw(null);
  /** From 1 to 5; 0 while nothing is chosen. */
  score = $state(0);
  comment = $state('');
  sending = $state(false);
  problem: Problem | null = $state.raw(null);
  private askedAt = -Infinity;

  /** Nobody waits for it: what goes wrong is asked again another time. */
  async look(): Promise<void> {
    if (this.question || performance.now() - this.askedAt < PATIENCE) return;
    this.askedAt = performance.now();
    const { question } = await api.survey().catch(() => ({ question: null }));
    this.question = question ?? null;
  }

  answer(): Promise<boolean> {
    return this.say(api.answerSurvey({ score: this.score, comment: this.comment }));
  }

  later(): Promise<boolean> {
    return this.say(api.putSurveyOff());
  }

  private async say(saying: Promise<unknown>): Promise<boolean> {
    this.sending = true;
    this.problem = null;
    try {
      await saying;
    } catch (thrown) {
      const problem = Problem.from(thrown);
      // Said in another browser already.
      if (problem.code !== 'not_found') this.problem = problem;
    } finally {
      this.sending = false;
    }
    if (this.problem) return false;
    this.question = null;
    return true;
  }
}
