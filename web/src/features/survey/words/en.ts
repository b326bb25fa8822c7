/** The texts of the survey, which are fetched with it. This file is the type. */
export const en = {
  label: 'Your opinion',
  question: (name: string) => `How satisfied are you with ${name}?`,
  scores: ['Not at all satisfied', 'Rather not satisfied', 'Neither', 'Rather satisfied', 'Very satisfied'],
  comment: 'In a sentence, if you like',
  anonymous: 'Nobody can see whose answer it is.',
  send: 'Send answer',
  later: 'Not now',
  thanks: 'Thank you for your answer.',
  postponed: 'You will be asked another time.',
};

export type SurveyTexts = typeof en;
