import { Problem } from '../../../lib/problem';
import { administration, type Indicators, type Survey, type SurveySettings } from '../api';

/** The three indicators, and the survey behind one of them. */
export class Board {
  indicators: Indicators | null = $state.raw(null);
  survey: Survey | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  loading = $state(false);

  constructor() {
    void this.load();
  }

  async load(): Promise<void> {
    this.loading = true;
    this.problem = null;
    try {
      [this.indicators, this.survey] = await Promise.all([
        administration.indicators(),
        administration.survey(),
      ]);
    } catch (thrown) {
      this.problem = Problem.from(thrown);
    } finally {
      this.loading = false;
    }
  }

  /** Rejects with what is wrong. */
  async change(settings: SurveySettings): Promise<void> {
    this.survey = await administration.changeSurvey(settings);
  }

  async askEveryone(): Promise<void> {
    this.survey = await administration.askEveryone();
  }
}
